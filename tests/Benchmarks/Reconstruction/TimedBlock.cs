using Orchestrator.Onnx;

namespace Orchestrator.Benchmarks.Reconstruction;

/// <summary>A block whose training step is timed.</summary>
/// <param name="Model">With an open batch.</param>
/// <param name="Operations">Multiplications and additions of a sample, forward and backward, by the definition of the operators; the block's input needs no gradient.</param>
internal sealed record TimedBlock(string Name, OnnxModel Model, double Operations)
{
    /// <summary>Of ResNets: two 3×3 convolutions, the first with a stride, and a projection where the shape changes.</summary>
    public static TimedBlock Residual(int inputs, int outputs, int stride, int side)
    {
        var b = new Blocks();
        var x = b.Image(inputs, side);
        var inner = b.Relu(b.Convolve(x, inputs, outputs, 3, stride));
        var y = b.Convolve(inner, outputs, outputs, 3, 1);
        var skip = stride == 1 && inputs == outputs ? x : b.Convolve(x, inputs, outputs, 1, stride);
        var positions = side / stride * (side / stride);
        var operations = (2 * Products(positions, 9 * inputs, outputs)) + (3 * Products(positions, 9 * outputs, outputs)) + (skip == x ? 0 : 2 * Products(positions, inputs, outputs));
        return new TimedBlock($"residual {side}x{side} {inputs}->{outputs}", b.Build(b.Relu(b.Add(y, skip)), outputs, side / stride, side / stride), operations);
    }

    /// <summary>Of MobileNetV2: expansion, depthwise 3×3 convolution, projection; the addition where there is no stride.</summary>
    public static TimedBlock Inverted(int channels, int inner, int side, int stride = 1)
    {
        var b = new Blocks();
        var x = b.Image(channels, side);
        var wide = b.Relu6(b.Convolve(x, channels, inner, 1, 1));
        var filtered = b.Relu6(b.Convolve(wide, inner, inner, 3, stride, inner));
        var projected = b.Convolve(filtered, inner, channels, 1, 1);
        var after = side / stride * (side / stride);
        var operations = (2 * Products(side * side, channels, inner)) + (3 * Products(after, channels, inner)) + (3 * Products(after, 9, inner));
        return new TimedBlock(
            $"inverted {side}x{side} {channels},{inner}{(stride == 1 ? "" : $" stride {stride}")}",
            b.Build(stride == 1 ? b.Add(projected, x) : projected, channels, side / stride, side / stride), operations);
    }

    /// <summary>A transformer's, with normalization before attention and before two layers with GELU between.</summary>
    public static TimedBlock Transformer(int width, int heads, int tokens)
    {
        var b = new Blocks();
        var x = b.Tokens(tokens, width);
        var normal = b.Normalize(x, width);
        string Heads(string value, params long[] order) => b.Graph.Transpose(b.Graph.Reshape(b.Multiply(value, width, width), 0, tokens, heads, width / heads), order);
        var scores = b.Scale(b.Graph.MatMul(Heads(normal, 0, 2, 1, 3), Heads(normal, 0, 2, 3, 1)), 1 / Math.Sqrt(width / (double)heads));
        var mixed = b.Graph.MatMul(b.Graph.Add("Softmax", [scores], NodeAttribute.Int("axis", -1)), Heads(normal, 0, 2, 1, 3));
        var attended = b.Add(b.Multiply(b.Graph.Reshape(b.Graph.Transpose(mixed, 0, 2, 1, 3), 0, tokens, width), width, width), x);
        var hidden = b.Graph.Add("Gelu", [b.Multiply(b.Normalize(attended, width), width, 4 * width)]);
        var y = b.Add(b.Multiply(hidden, 4 * width, width), attended);
        // Queries, keys and values read the input alone.
        var operations = ((3 * 2) + 3 + (2 * 4 * 3)) * Products(tokens, width, width) + (2 * 3 * Products(tokens, width, tokens));
        return new TimedBlock($"transformer {tokens}x{width}, {heads} heads", b.Build(y, tokens, width), operations);
    }

    private static double Products(double positions, double inputs, double outputs) => 2 * positions * inputs * outputs;

    /// <summary>Writes the blocks' graphs, with random weights.</summary>
    private sealed class Blocks
    {
        private readonly Random _random = new(1);

        public GraphBuilder Graph { get; } = new(20);

        public string Image(long channels, long side) => Graph.Input("x", ElementType.Float32, -1, channels, side, side);

        public string Tokens(long tokens, long width) => Graph.Input("x", ElementType.Float32, -1, tokens, width);

        public string Add(string a, string b) => Graph.Binary("Add", a, b);

        public string Relu(string x) => Graph.Add("Relu", [x]);

        public string Relu6(string x) => Graph.Add("Clip", [x, Graph.Scalar(0), Graph.Scalar(6)]);

        public string Scale(string x, double factor) => Graph.Binary("Mul", x, Graph.Scalar((float)factor));

        public string Convolve(string x, long inputs, long outputs, long kernel, long stride, long group = 1) => Graph.Add(
            "Conv",
            [x, Weight(outputs, inputs / group, kernel, kernel), Weight(outputs)],
            NodeAttribute.Ints("pads", kernel / 2, kernel / 2, kernel / 2, kernel / 2), NodeAttribute.Ints("strides", stride, stride), NodeAttribute.Int("group", group));

        public string Multiply(string x, long inputs, long outputs) => Add(Graph.MatMul(x, Weight(inputs, outputs)), Weight(outputs));

        public string Normalize(string x, long width) => Graph.Add("LayerNormalization", [x, Weight(width), Weight(width)]);

        public OnnxModel Build(string y, params long[] sample)
        {
            Graph.Output(y, "y", ElementType.Float32, [-1, .. sample]);
            return Graph.Build();
        }

        private string Weight(params long[] shape)
        {
            var values = new float[shape.Aggregate(1L, (a, d) => a * d)];
            var spread = 1 / Math.Sqrt(values.Length / (double)shape[0]);
            foreach (ref var value in values.AsSpan())
                value = (float)(((2 * _random.NextDouble()) - 1) * spread);
            return Graph.Constant(Tensor.FromFloats("weight", shape, values));
        }
    }
}
