using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Networks;

/// <summary>Layers of neural networks with random weights, in the form that each operator set has for them.</summary>
public sealed class NetworkBuilder
{
    private readonly Random _random;
    private readonly List<Tensor> _inputWeights = [];

    public NetworkBuilder(NetworkStyle style)
    {
        Style = style;
        Graph = new GraphBuilder(style.Opset);
        _random = new Random(style.Seed);
    }

    public NetworkStyle Style { get; }

    public GraphBuilder Graph { get; }

    private int Opset => Style.Opset;

    public string Input(string name, params long[] shape) => Graph.Input(name, Style.Type, [Style.Batch, .. shape]);

    public string Tokens(string name, long length) => Graph.Input(name, ElementType.Int64, [Style.Batch, length]);

    /// <summary>The finished model with one output <c>y</c>.</summary>
    public OnnxModel Build(string output)
    {
        Graph.Output(output, "y", Style.Type);
        var model = Graph.Build();
        return Style.Weights == WeightPlace.Input ? DefaultInputs.Declare(model, _inputWeights) : model;
    }

    /// <summary>Random numbers of about the size that keeps activations in range, where the style puts weights.</summary>
    /// <param name="fanIn">Numbers that one output sums over.</param>
    public string Weight(string name, double fanIn, params long[] shape)
    {
        var scale = Math.Sqrt(2 / fanIn);
        return Place(Tensor.FromReals(name, Style.Type, shape, Numbers(shape, () => Normal() * scale)));
    }

    public string Vector(string name, int count, double around, double spread) =>
        Graph.Constant(Tensor.FromReals(name, Style.Type, [count], Numbers([count], () => around + (spread * (_random.NextDouble() - 0.5)))));

    public string Scalar(double value) => Graph.Constant(Tensor.FromReals("scalar", Style.Type, [], [value]));

    public string Conv(string x, int from, int to, int kernel, int stride = 1, int groups = 1, int dilation = 1, bool bias = true, string? autoPad = null)
    {
        var weight = Weight("conv.weight", from / groups * kernel * kernel, to, from / groups, kernel, kernel);
        var pad = dilation * (kernel - 1) / 2;
        return Graph.Add(
            "Conv", bias ? [x, weight, Vector("conv.bias", to, 0, 0.2)] : [x, weight],
            NodeAttribute.Ints("strides", stride, stride), NodeAttribute.Ints("dilations", dilation, dilation), NodeAttribute.Int("group", groups),
            autoPad is null ? NodeAttribute.Ints("pads", pad, pad, pad, pad) : NodeAttribute.Text("auto_pad", autoPad));
    }

    public string ConvTranspose(string x, int from, int to) => Graph.Add(
        "ConvTranspose", [x, Weight("up.weight", from, from, to, 2, 2), Vector("up.bias", to, 0, 0.2)],
        NodeAttribute.Ints("strides", 2, 2), NodeAttribute.Ints("kernel_shape", 2, 2));

    public string BatchNorm(string x, int channels) => Graph.Add(
        "BatchNormalization",
        [x, Vector("bn.scale", channels, 1, 0.5), Vector("bn.bias", channels, 0, 0.5), Vector("bn.mean", channels, 0, 0.5), Vector("bn.var", channels, 1, 0.5)],
        NodeAttribute.Float("epsilon", 1e-3f));

    public string ConvBn(string x, int from, int to, int kernel, int stride = 1, int groups = 1) =>
        BatchNorm(Conv(x, from, to, kernel, stride, groups, bias: false), to);

    public string Relu(string x) => Graph.Add("Relu", [x]);

    public string Relu6(string x) => Opset >= 11
        ? Graph.Add("Clip", [x, Scalar(0), Scalar(6)])
        : Graph.Add("Clip", [x], NodeAttribute.Float("min", 0), NodeAttribute.Float("max", 6));

    public string Silu(string x) => Graph.Binary("Mul", x, Graph.Add("Sigmoid", [x]));

    /// <summary>With the error function; its tanh form before operator set 9, an operator of its own from 20 on.</summary>
    public string Gelu(string x)
    {
        if (Opset >= 20)
            return Graph.Add("Gelu", [x]);
        var inner = Opset >= 9
            ? Graph.Add("Erf", [Graph.Binary("Mul", x, Scalar(Math.Sqrt(0.5)))])
            : Graph.Add("Tanh", [Graph.Binary("Mul", Scalar(0.8), Graph.Binary("Add", x, Graph.Binary("Mul", Scalar(0.045), Graph.Binary("Mul", x, Graph.Binary("Mul", x, x)))))]);
        return Graph.Binary("Mul", Graph.Binary("Mul", x, Scalar(0.5)), Graph.Binary("Add", inner, Scalar(1)));
    }

    public string MaxPool(string x, int kernel, int stride, int pad = 0) => Pool("MaxPool", x, kernel, stride, pad);

    public string AveragePool(string x, int kernel, int stride, int pad = 0) => Pool("AveragePool", x, kernel, stride, pad);

    public string GlobalPool(string x) => Graph.Add("Flatten", [Graph.Add("GlobalAveragePool", [x])]);

    public string Flatten(string x) => Graph.Add("Flatten", [x]);

    public string Add(string a, string b) => Graph.Binary("Add", a, b);

    public string Concat(params string[] values) => Graph.Concat(1, values);

    /// <summary>Gemm with the weight stored [outputs, inputs], as PyTorch writes Linear on matrices.</summary>
    public string Linear(string x, int from, int to) =>
        Graph.Gemm(x, Weight("fc.weight", from, to, from), Vector("fc.bias", to, 0, 0.2), transB: true);

    /// <summary>MatMul and Add, as PyTorch writes Linear on sequences.</summary>
    public string SequenceLinear(string x, int from, int to) =>
        Add(Graph.MatMul(x, Weight("linear.weight", from, from, to)), Vector("linear.bias", to, 0, 0.2));

    public IReadOnlyList<string> Split(string x, int axis, params long[] sizes)
    {
        var along = NodeAttribute.Int("axis", axis);
        return Opset >= 13
            ? Graph.AddMany("Split", [x, Graph.Vector(sizes)], sizes.Length, along)
            : Graph.AddMany("Split", [x], sizes.Length, along, NodeAttribute.Ints("split", sizes));
    }

    public string Upsample(string x, string mode)
    {
        var scales = Graph.Constant(Tensor.FromFloats("scales", [4], [1, 1, 2, 2]));
        var how = NodeAttribute.Text("mode", mode);
        if (Opset < 9)
            return Graph.Add("Upsample", [x], how, NodeAttribute.Floats("scales", 1, 1, 2, 2));
        if (Opset < 11)
            return Graph.Add(Opset < 10 ? "Upsample" : "Resize", [x, scales], how);
        return Graph.Add("Resize", [x, Graph.Constant(Tensor.FromFloats("roi", [0], [])), scales], how, NodeAttribute.Text("coordinate_transformation_mode", mode == "nearest" ? "asymmetric" : "half_pixel"));
    }

    public string Softmax(string x, int rank) => Graph.Add("Softmax", [x], NodeAttribute.Int("axis", rank - 1));

    /// <summary>Over the last of three axes; spelt out before operator set 17.</summary>
    public string LayerNorm(string x, int width)
    {
        var (scale, bias) = (Vector("ln.scale", width, 1, 0.5), Vector("ln.bias", width, 0, 0.5));
        if (Opset >= 17)
            return Graph.Add("LayerNormalization", [x, scale, bias], NodeAttribute.Int("axis", -1));
        var centred = Graph.Binary("Sub", x, Graph.Reduce("ReduceMean", x, true, 2));
        var variance = Graph.Reduce("ReduceMean", Graph.Binary("Mul", centred, centred), true, 2);
        var normal = Graph.Binary("Div", centred, Graph.Add("Sqrt", [Graph.Binary("Add", variance, Scalar(1e-3))]));
        return Add(Graph.Binary("Mul", normal, scale), bias);
    }

    private string Pool(string opType, string x, int kernel, int stride, int pad) => Graph.Add(
        opType, [x], NodeAttribute.Ints("kernel_shape", kernel, kernel), NodeAttribute.Ints("strides", stride, stride), NodeAttribute.Ints("pads", pad, pad, pad, pad));

    private string Place(Tensor tensor)
    {
        switch (Style.Weights)
        {
            case WeightPlace.ConstantNode:
                return Graph.Add("Constant", [], NodeAttribute.Constant("value", tensor));
            case WeightPlace.Identity:
                return Graph.Identity(Graph.Constant(tensor));
            case WeightPlace.CastHalf or WeightPlace.CastBFloat16:
                var narrow = Style.Weights == WeightPlace.CastHalf ? ElementType.Float16 : ElementType.BFloat16;
                return Graph.Cast(Graph.Constant(Tensor.FromReals(tensor.Name, narrow, tensor.Shape, tensor.ReadDoubles())), Style.Type);
            case WeightPlace.Transposed:
                long[] reversed = [.. tensor.Shape.Reverse()];
                return Graph.Transpose(Graph.Constant(Tensor.FromReals(tensor.Name, Style.Type, reversed, tensor.ReadDoubles())), Enumerable.Range(0, reversed.Length).Reverse().Select(axis => (long)axis));
            case WeightPlace.Flat:
                return Graph.Reshape(Graph.Constant(tensor.WithShape(tensor.Count)), [.. tensor.Shape]);
            default:
                var name = Graph.Constant(tensor);
                _inputWeights.Add(tensor.WithName(name));
                return name;
        }
    }

    private static double[] Numbers(long[] shape, Func<double> next)
    {
        var values = new double[shape.Aggregate(1L, (a, d) => a * d)];
        for (var i = 0; i < values.Length; i++)
            values[i] = next();
        return values;
    }

    private double Normal() => (_random.NextDouble() + _random.NextDouble() + _random.NextDouble() + _random.NextDouble() - 2) * 1.7;
}
