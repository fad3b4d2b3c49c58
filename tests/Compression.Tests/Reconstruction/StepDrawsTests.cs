using Orchestrator.Compression.Reconstruction;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class StepDrawsTests
{
    // Five standard deviations of a share of 1e5 draws at p = 0.5.
    private const double ShareTolerance = 5 * 0.5 / 316;

    // Five standard deviations of a count of 2,000 with mean 200 (p = 0.1): 5·√(2000·0.1·0.9).
    private const int CountTolerance = 68;

    [Fact]
    public void A_minibatch_has_distinct_samples_of_the_set()
    {
        for (var step = 1; step <= 200; step++)
        {
            var drawn = Minibatch(seed: 7, step, samples: 40, count: 32);
            Assert.Equal(32, drawn.Distinct().Count());
            Assert.All(drawn, sample => Assert.InRange(sample, 0, 39));
        }
    }

    [Fact]
    public void All_samples_make_a_minibatch_and_more_are_refused()
    {
        Assert.Equal(Enumerable.Range(0, 9), Minibatch(1, 1, 9, 9).Order());
        Assert.Throws<ArgumentOutOfRangeException>(() => Minibatch(1, 1, 9, 10));
    }

    [Fact]
    public void Every_sample_is_drawn_equally_often_at_every_place()
    {
        var counts = new int[2, 10];
        for (var step = 1; step <= 2_000; step++)
        {
            var drawn = Minibatch(3, step, 10, 2);
            counts[0, drawn[0]]++;
            counts[1, drawn[1]]++;
        }

        foreach (var count in counts)
            Assert.InRange(count, 200 - CountTolerance, 200 + CountTolerance);
    }

    [Fact]
    public void Draws_depend_on_seed_and_step_and_on_nothing_else()
    {
        Assert.Equal(Minibatch(5, 17, 1_024, 32), Minibatch(5, 17, 1_024, 32));
        Assert.NotEqual(Minibatch(5, 17, 1_024, 32), Minibatch(5, 18, 1_024, 32));
        Assert.NotEqual(Minibatch(5, 17, 1_024, 32), Minibatch(6, 17, 1_024, 32));
        Assert.Equal(Mask(5, 17, 0, 0.5), Mask(5, 17, 0, 0.5));
        Assert.NotEqual(Mask(5, 17, 0, 0.5), Mask(5, 17, 1, 0.5));
        Assert.NotEqual(Mask(5, 17, 0, 0.5), Mask(5, 18, 0, 0.5));
    }

    /// <summary>The expected ones come from a Fisher-Yates shuffle of the whole array over SplitMix64, written apart in another language.</summary>
    [Fact]
    public void The_draws_are_pinned_since_results_hang_on_them() =>
        Assert.Equal([932, 719, 987, 460, 435, 265, 780, 922], Minibatch(1005, 1, 1_024, 8));

    [Fact]
    public void A_mask_leaves_its_share_in_float()
    {
        Assert.InRange(Mask(1, 1, 0, 0.5).Average(), 0.5 - ShareTolerance, 0.5 + ShareTolerance);
        Assert.All(Mask(1, 1, 0, 0), element => Assert.Equal(1, element));
        Assert.All(Mask(1, 1, 0, 1), element => Assert.Equal(0, element));
    }

    private static int[] Minibatch(ulong seed, int step, int samples, int count)
    {
        var drawn = new int[count];
        StepDraws.Minibatch(seed, step, samples, drawn);
        return drawn;
    }

    private static float[] Mask(ulong seed, int step, int activation, double drop)
    {
        var mask = new float[100_000];
        StepDraws.Mask(seed, step, activation, drop, mask);
        return mask;
    }
}
