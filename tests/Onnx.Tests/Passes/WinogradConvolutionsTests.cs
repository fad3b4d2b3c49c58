using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Passes;

public sealed class WinogradConvolutionsTests
{
    private const long Batch = 2;
    private const long Channels = 32;

    /// <summary>Computed in double; the transformations' matrices, some of their numbers thirds, are rounded to float: 6e-8 each, and a sum of 288 of them over numbers near 1.</summary>
    private const double Tolerance = 1e-5;

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

    [Fact]
    public void Between_two_of_them_nothing_is_turned_round()
    {
        var graph = Block(8, 8, 1, 1, 1).Rewritten(new WinogradConvolutions());

        Assert.DoesNotContain(graph.Nodes, n => n.Is("Conv"));
        // Of activations: the input and the pool's, behind which nothing is turned. The others are of weights.
        Assert.Equal(2, graph.Nodes.Count(n => n.Is("Transpose") && n.Ints("perm") is [1, 0]));
    }

    [Theory]
    [InlineData(4, 3, 1, 1, 1)]
    [InlineData(32, 5, 1, 1, 1)]
    [InlineData(32, 3, 2, 1, 1)]
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
