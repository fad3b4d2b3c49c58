using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Tests.Shapes;

public sealed class InferredShapesTests
{
    private static readonly long[] Image = [-1, 4, 10, 8];

    [Theory]
    [InlineData("MaxPool", new long[] { 3, 3 }, new long[] { 2, 2 }, new long[] { 1, 1, 1, 1 }, 0, "NOTSET", new long[] { 1, 4, 5, 4 })]
    [InlineData("MaxPool", new long[] { 3, 3 }, new long[] { 2, 2 }, new long[] { 0, 0, 0, 0 }, 1, "NOTSET", new long[] { 1, 4, 5, 4 })]
    [InlineData("AveragePool", new long[] { 3, 3 }, new long[] { 2, 2 }, new long[] { 0, 0, 0, 0 }, 0, "NOTSET", new long[] { 1, 4, 4, 3 })]
    [InlineData("AveragePool", new long[] { 3, 3 }, new long[] { 3, 3 }, new long[] { 0, 0, 0, 0 }, 0, "SAME_UPPER", new long[] { 1, 4, 4, 3 })]
    public void Pools_slide(string opType, long[] kernel, long[] strides, long[] pads, int ceil, string autoPad, long[] expected) =>
        Check(expected, (b, x) => b.Add(
            opType, [x], NodeAttribute.Ints("kernel_shape", kernel), NodeAttribute.Ints("strides", strides),
            NodeAttribute.Ints("pads", pads), NodeAttribute.Int("ceil_mode", ceil), NodeAttribute.Text("auto_pad", autoPad)));

    [Fact]
    public void A_window_that_would_start_behind_the_input_does_not_count() =>
        // Three elements and one of padding behind them: windows start at 0 and 2, not at 4, which rounding up would add.
        Check([1, 1, 2], (b, x) => b.Add(
            "MaxPool", [b.Slice(b.Reshape(x, 1, 1, 320), 2, 0, 3)], NodeAttribute.Ints("kernel_shape", 1), NodeAttribute.Ints("strides", 2),
            NodeAttribute.Ints("pads", 0, 1), NodeAttribute.Int("ceil_mode", 1)));

    [Fact]
    public void Layout_operators_move_sizes()
    {
        Check([1, 10, 8, 4], (b, x) => b.Transpose(x, 0, 2, 3, 1));
        Check([1, 320], (b, x) => b.Add("Flatten", [x]));
        Check([4, 80], (b, x) => b.Add("Flatten", [x], NodeAttribute.Int("axis", -2)));
        Check([1, 4, 80], (b, x) => b.Reshape(x, 0, 0, -1));
        Check([1, 8, 10, 8], (b, x) => b.Concat(1, x, x));
        Check([1, 4, 3, 8], (b, x) => b.Slice(x, 2, 1, -2, 3));
        Check([1, 4, 10, 8], (b, x) => b.Slice(x, 2, -1, long.MinValue + 1, -1));
        Check([1, 1, 4, 10, 8], (b, x) => b.Unsqueeze(x, 1));
        Check([4, 10, 8], (b, x) => b.Squeeze(x, 0));
        Check([1, 2, 10, 8], (b, x) => b.AddMany("Split", [x], 2, NodeAttribute.Int("axis", 1))[1]);
        Check([1, 4, 3, 10, 8], (b, x) => b.Add("Gather", [b.Unsqueeze(x, 2), b.Vector(0, 0, 0)], NodeAttribute.Int("axis", 2)));
        Check([1, 1, 20, 16], (b, x) => b.Add("DepthToSpace", [x], NodeAttribute.Int("blocksize", 2)));
    }

    [Fact]
    public void Reductions_padding_and_resizing_change_sizes()
    {
        Check([1, 4, 1, 1], (b, x) => b.Add("GlobalAveragePool", [x]));
        Check([1, 4], (b, x) => b.Reduce("ReduceMean", x, false, 2, 3));
        Check([1, 1, 10, 8], (b, x) => b.Reduce("ReduceSum", x, true, 1));
        Check([1, 4, 13, 8], (b, x) => b.Pad(x, [0, 0, 1, 0, 0, 0, 2, 0]));
        Check([1, 4, 20, 12], (b, x) => b.Add("Resize", [x, "", b.Constant(Tensor.FromFloats("s", [4], [1, 1, 2, 1.5f]))]));
        Check([1, 4, 7, 9], (b, x) => b.Add("Resize", [x, "", "", b.Vector(1, 4, 7, 9)]));
        Check([1, 4, 8], (b, x) => b.Add("ArgMax", [x], NodeAttribute.Int("axis", 2), NodeAttribute.Int("keepdims", 0)));
        Check([2, 4, 10, 8], (b, x) => b.Add("Tile", [x, b.Vector(2, 1, 1, 1)]));
    }

    [Fact]
    public void Products_and_broadcasts_follow_numpy()
    {
        Check([1, 4, 10, 10], (b, x) => b.MatMul(x, b.Transpose(x, 0, 1, 3, 2)));
        Check([1, 4, 10, 8], (b, x) => b.Binary("Mul", x, b.Scalar(2)));
        Check([3, 4, 10, 8], (b, x) => b.Binary("Add", x, b.Constant(Tensor.FromFloats("c", [3, 1, 1, 8], new float[24]))));
        Check([320, 2], (b, x) => b.Gemm(b.Reshape(x, -1, 1), b.Constant(Tensor.FromFloats("w", [2, 1], [1, 2])), transB: true));
    }

    [Fact]
    public void Shapes_computed_in_the_graph_are_followed()
    {
        Check([1, 40, 8], (b, x) =>
        {
            var shape = b.Add("Shape", [x]);
            var batch = b.Unsqueeze(b.Add("Gather", [shape, b.Constant(Tensor.FromLongs("zero", [], [0]))]), 0);
            var parts = b.AddMany("Split", [shape], 4);
            var merged = b.Binary("Mul", parts[1], parts[2]);
            return b.Add("Reshape", [x, b.Concat(0, batch, merged, b.Slice(shape, 0, -1, 9))]);
        });
        Check([1, 4, 10, 8], (b, x) => b.Add("Expand", [b.Scalar(1), b.Add("Shape", [x])]));
    }

    [Fact]
    public void What_cannot_be_known_is_open_and_spreads()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 3, -1, -1);
        var conv = builder.Add("Conv", [x, builder.Constant(Tensor.FromFloats("w", [5, 3, 1, 1], new float[15]))]);
        var pooled = builder.Add("GlobalAveragePool", [conv]);
        var foreign = builder.Add("NotKnown", [pooled]);
        foreach (var value in new[] { conv, pooled, foreign })
            builder.Output(value);

        var shapes = InferredShapes.Of(builder.Build());

        Assert.Equal([1L, 5, -1, -1], shapes.Find(conv));
        Assert.Equal([1L, 5, 1, 1], shapes.Find(pooled));
        Assert.Null(shapes.Find(foreign));
    }

    [Fact]
    public void A_fixed_batch_counts_as_that_many_samples()
    {
        var builder = new GraphBuilder(15);
        builder.Output(builder.Identity(builder.Input("x", ElementType.Float32, 8, 3)));

        Assert.Equal(8, InferredShapes.Of(builder.Build()).SamplesPerRun);
    }

    private static void Check(long[] expected, Func<GraphBuilder, string, string> add)
    {
        var builder = new GraphBuilder(15);
        var value = add(builder, builder.Input("x", ElementType.Float32, Image));
        builder.Output(value);
        Assert.Equal(expected, InferredShapes.Of(builder.Build()).Find(value));
    }
}
