using Orchestrator.Compression.Evaluation;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Tests.Evaluation;

public sealed class MetricTests
{
    /// <summary>A handful of operations in double.</summary>
    private const double Tolerance = 1e-12;

    private static readonly float[] s_logits =
    [
        0, 1, 2, 3, 4, 5,
        5, 4, 3, 2, 1, 0,
        1, 1, 1, 1, 1, 1,
    ];

    [Fact]
    public void Top1_counts_samples_whose_label_has_the_largest_score()
    {
        Assert.Equal((2d, 3L), Metric.Of("top1").Sum("data", 3, s_logits, [], [5, 5, 0]));
        Assert.Equal((1d, 3L), Metric.Of("top1").Sum("data", 3, s_logits, [], [4, 0, 1]));
    }

    [Fact]
    public void Top5_counts_samples_whose_label_is_among_the_five_largest()
    {
        Assert.Equal((3d, 3L), Metric.Of("top5").Sum("data", 3, s_logits, [], [1, 0, 4]));
        Assert.Equal((0d, 3L), Metric.Of("top5").Sum("data", 3, s_logits, [], [0, 5, 5]));
    }

    [Fact]
    public void A_score_that_is_not_a_number_is_no_hit() =>
        Assert.Equal((0d, 1L), Metric.Of("top1").Sum("data", 1, [float.NaN, float.NaN], [], [0]));

    [Fact]
    public void Nll_is_the_cross_entropy_of_every_position()
    {
        var (sum, count) = Metric.Of("nll").Sum("data", 1, [0, 0, 1, 3, 1000, 999], [], [0, 1, 0]);
        Assert.Equal(3, count);
        var expected = Math.Log(2) + (Math.Log(Math.Exp(1) + Math.Exp(3)) - 3) + Math.Log(1 + Math.Exp(-1));
        Assert.Equal(expected, sum, Tolerance);
    }

    [Fact]
    public void Cosine_and_mse_compare_sample_by_sample()
    {
        var (cosine, samples) = Metric.Of("cosine").Sum("data", 2, [1, 0, 3, 4], [0, 1, 6, 8], []);
        Assert.Equal(2, samples);
        Assert.Equal(1, cosine, Tolerance);
        Assert.Equal((1d + 12.5, 2L), Metric.Of("mse").Sum("data", 2, [1, 0, 3, 4], [0, 1, 6, 8], []));
    }

    [Fact]
    public void Two_zero_outputs_are_alike_and_one_is_not()
    {
        Assert.Equal(1, Metric.Of("cosine").Sum("data", 1, [0, 0], [0, 0], []).Sum);
        Assert.Equal(0, Metric.Of("cosine").Sum("data", 1, [0, 0], [1, 0], []).Sum);
    }

    [Theory]
    [InlineData(-1)]
    [InlineData(6)]
    public void A_label_outside_the_classes_is_refused(long label)
    {
        foreach (var name in new[] { "top1", "top5", "nll" })
            Assert.Equal("label-out-of-range", Assert.Throws<InputException>(() => Metric.Of(name).Sum("data", 3, s_logits, [], [0, label, 0])).Code);
    }

    [Fact]
    public void An_unknown_metric_is_refused() => Assert.Equal("metric-unknown", Assert.Throws<InputException>(() => Metric.Of("f1")).Code);
}
