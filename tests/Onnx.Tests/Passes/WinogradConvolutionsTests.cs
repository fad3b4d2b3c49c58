using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Passes;

public sealed class WinogradConvolutionsTests
{
    private const long Batch = 2;
    private const long Channels = 32;

    /// <summary>Computed in double; the transformations' matrices, some of their numbers thirds, are rounded to float: 6e-8 each, and a sum of 288 of them over numbers near 1.</summary>
    private const double Tolerance = 1e-5;

    /// <summary>Of products of windows, whose constants are zeros and ones: only the order of sums differs.</summary>
    private const double SumTolerance = 1e-12;

    /// <summary>The fewest channels with which windows are products.</summary>
    private const long Few = 16;

    public static TheoryData<long, long, long, long, int> Geometries => new()
    {
        { 7, 7, 1, 1, 2 }, { 8, 10, 1, 1, 3 }, { 10, 9, 0, 0, 4 }, { 5, 8, 2, 0, 5 },
    };

    [Theory]
    [MemberData(nameof(Geometries))]
    public void Values_and_gradients_are_those_of_the_convolutions(long height, long width, long before, long after, int seed)
    {
        var expected = Block(height, width, before, after, seed).Values("mean", "pooled");
        var block = Block(height, width, before, after, seed);
        block.Rewritten(new WinogradConvolutions());
        RewrittenConvolutions.Same(expected, block.Values("mean", "pooled"), Tolerance);
    }

    /// <summary>Sizes of an image; kernel, stride and dilation of both axes; pads. Some inputs end before the last stride does, some have padding alone in a window.</summary>
    public static TheoryData<long[], long[], long[], long[], long[]> Strides => new()
    {
        { [8, 8], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1] },
        { [9, 7], [3, 3], [2, 2], [1, 1], [1, 1, 1, 1] },
        { [7, 8], [3, 2], [2, 3], [1, 1], [0, 2, 1, 0] },
        { [8, 9], [1, 3], [1, 2], [1, 2], [0, 3, 0, 1] },
        { [10, 6], [2, 2], [3, 2], [2, 1], [0, 0, 0, 0] },
        { [11, 9], [1, 1], [4, 2], [1, 1], [0, 0, 0, 0] },
        { [6, 6], [5, 5], [2, 2], [1, 1], [2, 2, 2, 2] },
        { [4, 5], [2, 1], [2, 2], [1, 1], [3, 2, 4, 3] },
    };

    [Theory]
    [MemberData(nameof(Strides))]
    public void Convolutions_with_strides_are_products_of_their_windows(long[] sizes, long[] kernel, long[] strides, long[] dilations, long[] pads)
    {
        RewrittenConvolutions Strided()
        {
            var block = new RewrittenConvolutions((int)sizes[1]);
            var b = block.Graph;
            string Convolve(string value, string weight, long outputs, params string[] bias) => b.Add(
                "Conv", [value, block.Input(weight, outputs, Few, kernel[0], kernel[1]), .. bias], NodeAttribute.Ints("strides", strides), NodeAttribute.Ints("dilations", dilations), NodeAttribute.Ints("pads", pads));
            var x = b.Add("Tanh", [block.Input("x", Batch, Few, sizes[0], sizes[1])]);
            block.Loss(b.Binary("Mul", b.Add("Relu", [Convolve(x, "w1", 3, block.Input("b1", 3))]), Convolve(x, "w2", 3)));
            return block;
        }

        var expected = Strided().Values();
        var rewritten = Strided();
        Assert.DoesNotContain(rewritten.Rewritten(new WinogradConvolutions()).Nodes, n => n.Is("Conv"));
        RewrittenConvolutions.Same(expected, rewritten.Values(), SumTolerance);
    }

    [Fact]
    public void Between_two_of_them_nothing_is_turned_round()
    {
        var graph = Block(8, 8, 1, 1, 1).Rewritten(new WinogradConvolutions());

        Assert.DoesNotContain(graph.Nodes, n => n.Is("Conv"));
        // The input, the pool's, behind which nothing is turned, and each of the two kernels.
        Assert.Equal(4, graph.Nodes.Count(n => n.Is("Transpose") && n.Ints("perm") is [1, 0]));
    }

    [Theory]
    [InlineData(4, 3, 1, 1, 1)]
    [InlineData(32, 5, 1, 1, 1)]
    [InlineData(15, 3, 2, 1, 1)]
    [InlineData(32, 3, 2, 1, 2)]
    [InlineData(32, 3, 1, 2, 1)]
    [InlineData(32, 3, 1, 1, 32)]
    public void Where_it_does_not_pay_or_does_not_apply_a_convolution_stays(long channels, long kernel, long stride, long dilation, long group)
    {
        var b = new GraphBuilder(20);
        var x = b.Input("x", ElementType.Float32, Batch, channels, 12, 12);
        var w = b.Input("w", ElementType.Float32, channels, channels / group, kernel, kernel);
        b.Output(b.Add("Conv", [x, w], NodeAttribute.Ints("strides", stride, stride), NodeAttribute.Ints("dilations", dilation, dilation), NodeAttribute.Int("group", group)));
        var model = b.Build();

        Assert.False(new WinogradConvolutions().Run(model));
        Assert.Single(model.Graph.Nodes, n => n.Is("Conv"));
    }

    /// <summary>Two convolutions with what stands between them in networks, a skip, and a pool, which knows the graph's layout alone.</summary>
    private static RewrittenConvolutions Block(long height, long width, long before, long after, int seed)
    {
        var block = new RewrittenConvolutions(seed);
        var b = block.Graph;
        string Convolve(string value, string weight, params string[] bias) => b.Add("Conv", [value, weight, .. bias], NodeAttribute.Ints("pads", before, before, after, after));
        var x = block.Input("x", Batch, Channels, height, width);
        var inner = Convolve(x, block.Input("w1", Channels, Channels, 3, 3), block.Input("b1", Channels));
        var scaled = b.Binary("Mul", b.Add("Clip", [inner, b.Scalar(-3), b.Scalar(3)]), block.Input("perChannel", Channels, 1, 1));
        var outer = b.Binary("Div", Convolve(scaled, block.Input("w2", Channels, Channels, 3, 3)), block.Input("one", 1));
        var same = before + after == 2 ? b.Binary("Add", outer, x) : outer;
        var pooled = b.Add("AveragePool", [b.Add("Relu", [same])], NodeAttribute.Ints("kernel_shape", 2, 2));
        block.Loss(pooled);
        b.Output(b.Reduce("ReduceMean", scaled, false, 0, 1, 2, 3), "mean");
        b.Output(pooled, "pooled");
        return block;
    }
}
