using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Gradients;

/// <summary>What a rule sees: the graph to write into, shapes, and the gradients gathered so far.</summary>
internal sealed class GradientContext(GraphBuilder builder, InferredShapes shapes, GradientPath path)
{
    private readonly Dictionary<string, List<string>> _terms = new(StringComparer.Ordinal);
    private readonly Dictionary<float, string> _scalars = [];

    public GraphBuilder Builder => builder;

    public void Start(string loss)
    {
        var shape = shapes.Find(loss);
        if (shape is null || shape.Any(d => d != 1))
            throw new OnnxException($"value '{loss}'", "a loss has one element");
        _terms[loss] = [builder.Constant(Tensor.FromFloats("one", shape, [1]))];
    }

    /// <summary>The sum of what has flowed to the value; null where nothing has.</summary>
    public string? Of(string value)
    {
        if (!_terms.TryGetValue(value, out var terms))
            return null;
        while (terms.Count > 1)
        {
            terms[0] = builder.Binary("Add", terms[0], terms[1]);
            terms.RemoveAt(1);
        }
        return terms[0];
    }

    /// <summary>Whether the input leads to a wanted value.</summary>
    public bool Needs(Node node, int input) => node.Input(input) is { } name && path.Depends(name);

    /// <summary>Hands a gradient of the output's shape on to an input, summed over the axes along which the input was broadcast.</summary>
    public void Flow(Node node, int input, Func<string> gradient)
    {
        if (Needs(node, input))
            Gather(node.Inputs[input], SumTo(gradient(), Shape(node, node.Output), Shape(node, input)));
    }

    /// <summary>Hands a gradient that has the input's shape on to it.</summary>
    public void FlowWhole(Node node, int input, Func<string> gradient)
    {
        if (Needs(node, input))
            Gather(node.Inputs[input], gradient());
    }

    /// <exception cref="OnnxException">A rule knows no gradient with respect to an input that needs one.</exception>
    public void Refuse(Node node, params ReadOnlySpan<int> inputs)
    {
        foreach (var input in inputs)
            if (Needs(node, input))
                throw new OnnxException($"node '{node.Name}'", $"{node.OpType} has no gradient with respect to its input {input}, '{node.Inputs[input]}'");
    }

    public IReadOnlyList<long> Shape(Node node, int input) => Shape(node, node.Input(input) ?? "");

    /// <exception cref="OnnxException">The shape cannot be inferred.</exception>
    public IReadOnlyList<long> Shape(Node node, string value) =>
        shapes.Find(value) is { } shape && shape.All(d => d >= 0)
            ? shape
            : throw new OnnxException($"node '{node.Name}'", $"the gradient needs the shape of '{value}', which does not follow from the graph");

    /// <summary>Whole numbers given as an attribute or as a constant input; null where the node has neither.</summary>
    /// <exception cref="OnnxException">The input is computed.</exception>
    public long[]? Integers(Node node, string attribute, int input)
    {
        if (node.Ints(attribute) is { } given)
            return given;
        if (node.Input(input) is not { } name)
            return null;
        return WeightView.Find(builder.Model.Graph, name)?.Tensor.ReadLongs()
            ?? throw new OnnxException($"node '{node.Name}'", $"the gradient needs '{name}' to be a constant");
    }

    public string Scalar(double value)
    {
        if (!_scalars.TryGetValue((float)value, out var name))
            _scalars.Add((float)value, name = builder.Scalar((float)value));
        return name;
    }

    public string Add(string a, string b) => builder.Binary("Add", a, b);

    public string Sub(string a, string b) => builder.Binary("Sub", a, b);

    public string Mul(string a, string b) => builder.Binary("Mul", a, b);

    public string Div(string a, string b) => builder.Binary("Div", a, b);

    public string Neg(string a) => builder.Add("Neg", [a]);

    public string Scale(string a, double factor) => factor == 1 ? a : Mul(a, Scalar(factor));

    /// <summary>The gradient where the condition holds, zero elsewhere.</summary>
    public string Where(string condition, string gradient) => builder.Add("Where", [condition, gradient, Scalar(0)]);

    /// <summary>The same as a product with 1 and 0, which runtimes do faster; for where the gradient is finite.</summary>
    public string Mask(string condition, string gradient) => Mul(gradient, builder.Cast(condition, ElementType.Float32));

    public string Reshape(string value, IReadOnlyList<long> shape) => builder.Reshape(value, [.. shape]);

    public string Zeros(IReadOnlyList<long> shape) =>
        builder.Add("Expand", [Scalar(0), builder.Vector([.. shape])]);

    /// <summary>Adds up the axes along which <paramref name="to"/> was broadcast to <paramref name="from"/>.</summary>
    public string SumTo(string value, IReadOnlyList<long> from, IReadOnlyList<long> to)
    {
        if (from.SequenceEqual(to))
            return value;
        var leading = from.Count - to.Count;
        long[] axes = [.. Enumerable.Range(0, from.Count).Where(i => i < leading || (to[i - leading] == 1 && from[i] != 1)).Select(i => (long)i)];
        var sum = axes.Length == 0 ? value : builder.Reduce("ReduceSum", value, true, axes);
        return leading == 0 ? sum : Reshape(sum, to);
    }

    private void Gather(string value, string gradient)
    {
        if (!_terms.TryGetValue(value, out var terms))
            _terms.Add(value, terms = []);
        terms.Add(gradient);
    }
}
