using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx.Shapes;

/// <summary>What is known while the nodes are visited in order: shapes, and the content of small integer tensors that steer shapes.</summary>
internal sealed class ShapeContext
{
    public const long Unknown = -1;

    /// <summary>Marks an element of an integer tensor whose value is not known.</summary>
    public const long UnknownValue = long.MinValue;

    /// <summary>Longer integer tensors never describe shapes.</summary>
    public const int MaxTracked = 1024;

    /// <summary>Longest that is kept of what nodes compute: as many numbers as a shape may have, pads included.</summary>
    public const int MaxComputed = 2 * TensorCheck.MaxRank;

    private readonly Dictionary<string, long[]> _integers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, IReadOnlyList<long>> _stated = new(StringComparer.Ordinal);
    private readonly OnnxModel _model;

    public ShapeContext(OnnxModel model)
    {
        _model = model;
        foreach (var input in model.Graph.Inputs)
            if (input.Shape is { } shape)
                Put(input.Name, [.. shape.Select((d, axis) => axis == 0 && d < 0 ? 1 : d)]);
        foreach (var tensor in model.Graph.Initializers)
            Learn(tensor.Name, tensor);
        foreach (var value in model.Graph.ValueInfos.Concat(model.Graph.Outputs))
            if (value.Shape is { } shape)
                _stated.TryAdd(value.Name, shape);
    }

    public Dictionary<string, long[]> Shapes { get; } = new(StringComparer.Ordinal);

    public int Opset => _model.Opset;

    public long[]? Shape(Node node, int input) => node.Input(input) is { } name ? Shapes.GetValueOrDefault(name) : null;

    /// <summary>Content of a small integer tensor of rank 0 or 1; elements may be <see cref="UnknownValue"/>.</summary>
    public long[]? Integers(Node node, int input) => node.Input(input) is { } name ? _integers.GetValueOrDefault(name) : null;

    /// <summary>As <see cref="Integers"/>, but only where every element is known.</summary>
    public long[]? Known(Node node, int input) => Integers(node, input) is { } values && !values.Contains(UnknownValue) ? values : null;

    /// <summary>A list that is an attribute in older operator sets and an input in newer ones.</summary>
    public long[]? KnownOrAttribute(Node node, string attribute, int input) => node.Ints(attribute) ?? Known(node, input);

    public float[]? Floats(Node node, int input) =>
        WeightView.Find(_model.Graph, node.Input(input)) is { Tensor: { Count: <= MaxTracked } tensor } && tensor.ElementType.IsReal() ? tensor.ReadFloats() : null;

    public void Set(Node node, params long[]?[] outputs)
    {
        for (var i = 0; i < outputs.Length && i < node.Outputs.Count; i++)
            if (outputs[i] is { } shape && node.Outputs[i].Length > 0)
                Put(node.Outputs[i], shape);
    }

    public void SetIntegers(string value, long[] content) => _integers[value] = content;

    public void Learn(string name, Tensor tensor)
    {
        Shapes[name] = [.. tensor.Shape];
        if (tensor is { ElementType: ElementType.Int64 or ElementType.Int32 or ElementType.Bool, Shape.Count: <= 1, Count: <= MaxTracked })
            _integers[name] = tensor.ReadLongs();
    }

    /// <summary>For what no rule knows: what the file itself states.</summary>
    public void TakeStated(Node node)
    {
        foreach (var output in node.Outputs)
            if (!Shapes.ContainsKey(output) && _stated.TryGetValue(output, out var shape))
                Put(output, [.. shape.Select((d, axis) => axis == 0 && d < 0 ? 1 : d)]);
    }

    /// <summary>Ranks add up from node to node; one that no tensor may have is not carried on.</summary>
    private void Put(string value, long[] shape)
    {
        if (shape.Length <= TensorCheck.MaxRank)
            Shapes[value] = shape;
    }

    public Tensor? ConstantOf(Node node) => WeightView.Find(_model.Graph, node.Output)?.Tensor;
}
