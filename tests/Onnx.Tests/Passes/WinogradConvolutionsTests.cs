using Orchestrator.Onnx.Passes;
using Orchestrator.TestKit.Interpreting;

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
        var (convolutions, inputs) = Block(height, width, before, after, seed);
        var expected = Values(convolutions, inputs, isRewritten: false);
        var (again, _) = Block(height, width, before, after, seed);
        var actual = Values(again, inputs, isRewritten: true);

        foreach (var (name, tensor) in expected)
        {
            var scale = Math.Max(1, tensor.Values.Max(Math.Abs));
            Assert.Equal(tensor.Shape, actual[name].Shape);
            for (var i = 0; i < tensor.Values.Length; i++)
                Assert.InRange((actual[name].Values[i] - tensor.Values[i]) / scale, -Tolerance, Tolerance);
        }
    }

    [Fact]
    public void Between_two_of_them_nothing_is_turned_round()
    {
        var (builder, _) = Block(8, 8, 1, 1, 1);
        var graph = Rewritten(builder);

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
    private static (GraphBuilder Builder, Dictionary<string, DoubleTensor> Inputs) Block(long height, long width, long before, long after, int seed)
    {
        var random = new Random(seed);
        var b = new GraphBuilder(20);
        var inputs = new Dictionary<string, DoubleTensor>();
        string Input(string name, params long[] shape)
        {
            inputs[name] = DoubleTensor.Build(shape, _ => (float)((2 * random.NextDouble()) - 1));
            return b.Input(name, ElementType.Float32, shape);
        }
        string Convolve(string value, string weight, params string[] bias) => b.Add("Conv", [value, weight, .. bias], NodeAttribute.Ints("pads", before, before, after, after));
        var x = Input("x", Batch, Channels, height, width);
        var inner = Convolve(x, Input("w1", Channels, Channels, 3, 3), Input("b1", Channels));
        var scaled = b.Binary("Mul", b.Add("Clip", [inner, b.Scalar(-3), b.Scalar(3)]), Input("perChannel", Channels, 1, 1));
        var outer = b.Binary("Div", Convolve(scaled, Input("w2", Channels, Channels, 3, 3)), Input("one", 1));
        var same = before + after == 2 ? b.Binary("Add", outer, x) : outer;
        var pooled = b.Add("AveragePool", [b.Add("Relu", [same])], NodeAttribute.Ints("kernel_shape", 2, 2));
        b.Output(b.Reduce("ReduceSum", b.Binary("Mul", pooled, pooled), false, 0, 1, 2, 3), "loss");
        b.Output(b.Reduce("ReduceMean", scaled, false, 0, 1, 2, 3), "mean");
        b.Output(pooled, "pooled");
        return (b, inputs);
    }

    private static Dictionary<string, DoubleTensor> Values(GraphBuilder builder, Dictionary<string, DoubleTensor> inputs, bool isRewritten)
    {
        if (isRewritten)
            Rewritten(builder);
        var gradients = Onnx.Gradients.Gradients.Add(builder, "loss", ["x", "w1", "b1", "perChannel", "w2", "one"]);
        string[] names = ["loss", "mean", "pooled", .. gradients.Select(g => builder.Output(g.Value, $"{g.Key}.gradient"))];
        var values = DoubleInterpreter.Run(builder.Build(), inputs);
        return names.ToDictionary(n => n, n => values[n]);
    }

    private static Graph Rewritten(GraphBuilder builder)
    {
        Assert.True(new WinogradConvolutions().Run(builder.Model));
        return builder.Model.Graph;
    }
}
