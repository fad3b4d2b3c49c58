using Orchestrator.Compression.Corrections;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests.Corrections;

/// <summary>Means and variances from generated graphs against sums in double.</summary>
public sealed class MomentsTests
{
    /// <summary>Absolute, on values below 1: float32 means of a few hundred elements.</summary>
    private const double Tolerance = 1e-6;

    private const int Samples = 10;
    private const int Channels = 3;

    [Theory]
    [InlineData(7, ChannelAxis.Second, new long[] { Samples, Channels, 5, 4 })]
    [InlineData(13, ChannelAxis.Second, new long[] { Samples, Channels, 5, 4 })]
    [InlineData(18, ChannelAxis.Second, new long[] { Samples, Channels })]
    [InlineData(21, ChannelAxis.Second, new long[] { Samples, Channels, 7 })]
    [InlineData(13, ChannelAxis.Last, new long[] { Samples, Channels })]
    [InlineData(18, ChannelAxis.Last, new long[] { Samples, 4, 2, Channels })]
    [InlineData(13, ChannelAxis.LastButOne, new long[] { Samples, Channels, 6 })]
    [InlineData(18, ChannelAxis.LastButOne, new long[] { Samples, 2, Channels, 6 })]
    public void Every_shape_and_operator_set_gives_the_moments_of_each_channel(int opset, ChannelAxis axis, long[] shape)
    {
        var values = CorrectionHarness.Random((int)shape.Aggregate(1L, (a, d) => a * d), 1);
        using var harness = new CorrectionHarness(values, shape);
        var builder = new GraphBuilder(opset);
        builder.Input("x", ElementType.Float32, [-1, .. shape.Skip(1)]);
        var node = builder.Add("Relu", ["x"]);
        builder.Output(node);

        var moments = harness.Moments(builder.Build(), new SiteRef(node, axis, Channels));

        var at = axis switch { ChannelAxis.Second => 1, ChannelAxis.Last => shape.Length - 1, _ => shape.Length - 2 };
        var inner = shape.Skip(at + 1).Aggregate(1L, (a, d) => a * d);
        for (var c = 0; c < Channels; c++)
        {
            double[] own = [.. values.Where((_, i) => i / inner % Channels == c).Select(v => Math.Max(v, 0.0))];
            var mean = own.Average();
            Assert.Equal(own.Length, moments.Count);
            Assert.Equal(mean, moments.Means[c], Tolerance);
            Assert.Equal(own.Average(v => (v - mean) * (v - mean)), moments.Variances[c], Tolerance);
        }
    }

    [Fact]
    public void Parts_merge_to_the_moments_of_the_whole()
    {
        double[][] parts = [[1, 2, 3], [10], [-4, 5, 6, 100, 2]];
        var whole = Of([.. parts.SelectMany(p => p)]);

        var merged = ChannelMoments.Merge(parts.Select(Of));

        Assert.Equal(whole.Count, merged.Count);
        Assert.Equal(whole.Means[0], merged.Means[0], 12);
        Assert.Equal(whole.Variances[0], merged.Variances[0], 9);
        Assert.Equal(whole.Variances[0] * 9 / 8, merged.Unbiased(0), 9);

        static ChannelMoments Of(double[] v) => new(v.Length, [v.Average()], [v.Average(x => (x - v.Average()) * (x - v.Average()))]);
    }

    [Fact]
    public void What_is_not_whole_batches_is_refused() =>
        Assert.Throws<ArgumentException>(() => ChannelMoments.Read(new double[6], [CorrectionHarness.Site("a", 2)], 0));
}
