using Orchestrator.Compression.Corrections;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests.Corrections;

public sealed class MeanVarianceTests
{
    /// <summary>Float32 activations of order 1 through two layers, and parameters rounded to float32.</summary>
    private const double Tolerance = 2e-5;

    private const int Samples = 12;
    private const int Channels = 4;
    private const int Tokens = 5;

    [Fact]
    public void Two_batch_norms_in_depth_get_the_float_models_moments()
    {
        using var harness = new CorrectionHarness(CorrectionHarness.Random(Samples * Channels * Tokens, 1), Samples, Channels, Tokens);
        SiteRef[][] levels = [[CorrectionHarness.Site("BatchNormalization", Channels)], [CorrectionHarness.Site("BatchNormalization_1", Channels)]];
        CheckSites(harness, ConvolutionNet(0), ConvolutionNet(0.4f), levels);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Two_layer_normalizations_in_depth_get_the_float_models_moments(bool hasShift)
    {
        using var harness = new CorrectionHarness(CorrectionHarness.Random(Samples * Tokens * Channels, 2), Samples, Tokens, Channels);
        SiteRef[][] levels = [[CorrectionHarness.Site("LayerNormalization", Channels, ChannelAxis.Last)], [CorrectionHarness.Site("LayerNormalization_1", Channels, ChannelAxis.Last)]];
        CheckSites(harness, TokenNet(0, hasShift), TokenNet(0.4f, hasShift), levels);
    }

    /// <summary>y' = f·y + s with f = sd / sp and s = md − f·mp, from two batches of two elements.</summary>
    [Fact]
    public void Factor_and_shift_are_those_of_the_paper()
    {
        SiteRef[] sites = [CorrectionHarness.Site("a", 1)];
        double[] moments = [2, 1, 1, 2, 3, 1], reference = [4, -1, 12];

        var result = ChannelCorrections.MeanVariance(sites, moments, sites, reference);

        // All four elements of the draft: mean 2, deviations squared sum to 8, unbiased variance 8/3; the float model's is 12·4/3 = 16.
        var factor = Math.Sqrt(16 / (8 / 3.0));
        Assert.Equal(factor, result.Values[0], 7);
        Assert.Equal(-1 - (2 * factor), result.Values[1], 7);
        var site = Assert.Single(result.Sites);
        Assert.Equal(3 / 4.0, site.Shift, 8);
        Assert.Equal(1 / factor, site.Scale, 7);
    }

    [Fact]
    public void A_channel_that_became_constant_keeps_its_scale_and_is_told()
    {
        SiteRef[] sites = [CorrectionHarness.Site("a", 2)];

        var result = ChannelCorrections.MeanVariance(sites, [100, 3, 1, 0, 4], sites, [100, 1, 0, 4, 4]);

        Assert.Equal([1, 1], result.Values[..2].Select(v => Math.Round(v, 6)));
        Assert.Equal(-2, result.Values[2], 8);
        Assert.Contains("1 of 2 channels", Assert.Single(result.Rescues).Detail, StringComparison.Ordinal);
    }

    private static void CheckSites(CorrectionHarness harness, OnnxModel reference, OnnxModel draft, SiteRef[][] levels)
    {
        var corrected = harness.Correct(Correction.MeanVariance, reference, draft, levels);

        foreach (var site in levels.SelectMany(level => level))
        {
            var (wanted, before, after) = (harness.Moments(reference, site), harness.Moments(draft, site), harness.Moments(corrected, site));
            for (var c = 0; c < Channels; c++)
            {
                Assert.Equal(wanted.Means[c], after.Means[c], Tolerance);
                Assert.Equal(wanted.Variances[c], after.Variances[c], Tolerance);
            }

            Assert.Contains(Enumerable.Range(0, Channels), c => Math.Abs(wanted.Means[c] - before.Means[c]) > 1e-2);
        }
    }

    private static OnnxModel ConvolutionNet(float damage)
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, Channels, Tokens);
        for (var layer = 0; layer < 2; layer++)
        {
            x = builder.Add("Conv", [x, Constant(builder, Damaged(Channels * Channels, layer, damage), Channels, Channels, 1)]);
            x = builder.Add("BatchNormalization", [x, .. Enumerable.Range(0, 4).Select(i => Constant(builder, [.. CorrectionHarness.Random(Channels, 20 + i).Select(v => i == 3 ? v + 1.5f : v)], Channels))]);
            x = builder.Add("Relu", [x]);
        }

        builder.Output(x);
        return builder.Build();
    }

    private static OnnxModel TokenNet(float damage, bool hasShift)
    {
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, -1, Tokens, Channels);
        for (var layer = 0; layer < 2; layer++)
        {
            x = builder.MatMul(x, Constant(builder, Damaged(Channels * Channels, layer, damage), Channels, Channels));
            List<string> inputs = [x, Constant(builder, CorrectionHarness.Random(Channels, 30), Channels)];
            if (hasShift)
                inputs.Add(Constant(builder, CorrectionHarness.Random(Channels, 31), Channels));
            x = builder.Add("LayerNormalization", inputs);
        }

        builder.Output(x);
        return builder.Build();
    }

    /// <summary>Weights, or those of a compressed model: other ones, near them.</summary>
    private static float[] Damaged(int count, int seed, float damage) =>
        [.. CorrectionHarness.Random(count, seed).Zip(CorrectionHarness.Random(count, 50 + seed), (w, d) => w + (damage * d))];

    private static string Constant(GraphBuilder builder, float[] values, params long[] shape) => builder.Constant(Tensor.FromFloats("c", shape, values));
}
