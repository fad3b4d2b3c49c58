using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Passes;

public sealed class BandedConvolutionsTests
{
    private const long Batch = 3;
    private const long Channels = 4;

    /// <summary>Computed in double with matrices of zeros and ones: only the order of sums differs.</summary>
    private const double Tolerance = 1e-12;

    /// <summary>Sizes of an image, up to 64 elements as a whole and above by rows, many rows in parts; kernel, stride and dilation of both axes; pads; outputs a channel.</summary>
    public static TheoryData<long[], long[], long[], long[], long[], long> Geometries => new()
    {
        { [7, 7], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1 },
        { [5, 8], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], 1 },
        { [6, 7], [2, 3], [1, 2], [2, 1], [0, 2, 1, 0], 2 },
        { [9, 10], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1 },
        { [11, 9], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], 1 },
        { [10, 11], [3, 3], [2, 2], [1, 1], [0, 0, 1, 1], 2 },
        { [12, 9], [5, 5], [1, 1], [1, 1], [2, 2, 2, 2], 1 },
        { [9, 13], [3, 2], [1, 1], [2, 3], [2, 0, 1, 3], 2 },
        { [13, 8], [3, 3], [3, 1], [1, 2], [0, 1, 0, 2], 1 },
        { [10, 9], [1, 3], [1, 2], [1, 1], [0, 3, 0, 3], 1 },
        { [9, 9], [3, 1], [1, 1], [1, 1], [0, 0, 0, 0], 1 },
        // Above 16 rows in parts.
        { [19, 5], [3, 3], [1, 1], [1, 1], [1, 1, 1, 1], 1 },
        { [35, 4], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1], 1 },
        { [21, 4], [2, 3], [1, 1], [3, 1], [1, 0, 0, 1], 2 },
        { [12, 6], [1, 1], [1, 2], [1, 1], [17, 0, 9, 0], 1 },
        { [17, 5], [5, 1], [1, 1], [1, 2], [2, 1, 2, 0], 1 },
        { [52, 3], [1, 3], [3, 1], [1, 1], [0, 1, 0, 1], 1 },
    };

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Values_and_gradients_are_those_of_the_convolutions(long[] sizes, long[] kernel, long[] strides, long[] dilations, long[] pads, long multiplier)
    {
        RewrittenConvolutions Chain() => Block(sizes, kernel, multiplier, NodeAttribute.Ints("strides", strides), NodeAttribute.Ints("dilations", dilations), NodeAttribute.Ints("pads", pads));
        var expected = Chain().Values("middle", "y");
        var block = Chain();
        var graph = block.Rewritten(new BandedConvolutions());

        Assert.DoesNotContain(graph.Nodes, n => n.Is("Conv") && graph.Initializers.All(t => !t.Name.StartsWith("band", StringComparison.Ordinal)));
        // What enters, what leaves in the middle and what the pool reads.
        Assert.Equal(3, graph.Nodes.Count(n => n.Is("Transpose")));
        RewrittenConvolutions.Same(expected, block.Values("middle", "y"), Tolerance);
    }

    [Theory]
    [InlineData(4, 3, 12, 4)]
    [InlineData(1, 3, 12, 4)]
    [InlineData(2, 3, 12, 4)]
    [InlineData(4, 1, 12, 4)]
    [InlineData(4, 3, 97, 4)]
    [InlineData(4, 9, 12, 4)]
    [InlineData(4, 3, 12, 1)]
    public void Only_depthwise_ones_of_not_too_many_rows_become_bands(long group, long kernel, long side, long channels)
    {
        var b = new GraphBuilder(20);
        var x = b.Input("x", ElementType.Float32, Batch, channels, side, side);
        var w = b.Input("w", ElementType.Float32, channels, Math.Max(1, channels / group), kernel, kernel);
        b.Output(b.Add("Conv", [x, w], NodeAttribute.Int("group", Math.Min(channels, group))));
        var model = b.Build();

        Assert.Equal(group == 4 && kernel == 3 && side == 12 && channels == 4, new BandedConvolutions().Run(model));
    }

    [Fact]
    public void What_is_not_beside_a_depthwise_one_stays()
    {
        var b = new GraphBuilder(20);
        var x = b.Input("x", ElementType.Float32, Batch, Channels, 9, 9);
        string Pointwise(string value, string name) => b.Add("Conv", [value, b.Input(name, ElementType.Float32, Channels, Channels, 1, 1)]);
        var pooled = b.Add("AveragePool", [Pointwise(x, "w1")], NodeAttribute.Ints("kernel_shape", 2, 2));
        b.Output(b.Add("Conv", [pooled, b.Input("w2", ElementType.Float32, Channels, 1, 3, 3)], NodeAttribute.Int("group", Channels)));
        var model = b.Build();

        Assert.True(new BandedConvolutions().Run(model));
        Assert.Single(model.Graph.Nodes, n => n.Is("Conv") && n.Inputs[0] == "x");
    }

    /// <summary>Expansion, depthwise convolution, projection, the addition where shapes allow it, and a pool, which knows the graph's layout alone.</summary>
    private static RewrittenConvolutions Block(long[] sizes, long[] kernel, long multiplier, params NodeAttribute[] geometry)
    {
        var block = new RewrittenConvolutions((int)sizes[0]);
        var b = block.Graph;
        var x = block.Input("x", Batch, 2, sizes[0], sizes[1]);
        var wide = b.Add("Relu", [b.Add("Conv", [x, block.Input("w1", Channels, 2, 1, 1), block.Input("b1", Channels)])]);
        var middle = b.Add(
            "Conv",
            [wide, block.Input("w2", Channels * multiplier, 1, kernel[0], kernel[1]), block.Input("b2", Channels * multiplier)],
            [.. geometry, NodeAttribute.Int("group", Channels)]);
        var scaled = b.Binary("Mul", b.Add("Clip", [middle, b.Scalar(-1), b.Scalar(2)]), block.Input("perChannel", Channels * multiplier, 1, 1));
        var y = b.Add("Conv", [scaled, block.Input("w3", 2, Channels * multiplier, 1, 1)]);
        var again = b.Add("Conv", [b.Add("Relu", [y]), block.Input("w4", 2, 1, 2, 2), block.Input("b4", 2)], NodeAttribute.Int("group", 2));
        block.Loss(b.Add("AveragePool", [again], NodeAttribute.Ints("kernel_shape", 1, 2)));
        b.Output(b.Reduce("ReduceMean", scaled, false, 0, 1, 2, 3), "middle");
        b.Output(y, "y");
        return block;
    }
}
