using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Values [samples, channels, height, width] that lie with their first axes last while a graph is rewritten: what computes them that way says so, what works
/// element by element on them follows, and what else reads them gets them back in the graph's own order.
/// </summary>
/// <param name="shapes">Of the graph before it is rewritten.</param>
/// <param name="moved">How many axes come last: of one, samples; of two, samples and channels.</param>
internal sealed class TurnedValues(OnnxModel model, GraphBuilder builder, InferredShapes shapes, int moved)
{
    private static readonly HashSet<string> s_elementwise =
    [
        "Abs", "Add", "Cast", "Ceil", "Clip", "Div", "Equal", "Erf", "Exp", "Floor", "Gelu", "Greater", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Less", "Log", "Max", "Min",
        "Mul", "Neg", "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh", "Where",
    ];

    private readonly Dictionary<string, string> _turned = new(StringComparer.Ordinal);
    private readonly HashSet<string> _computed = new(StringComparer.Ordinal);

    public bool IsEmpty => _computed.Count == 0;

    public static bool IsElementwise(Node node) => node.Domain.Length == 0 && node.Outputs.Count == 1 && s_elementwise.Contains(node.OpType);

    public bool Has(string value) => _computed.Contains(value);

    /// <summary>Says that a value is computed turned, and as what.</summary>
    public void Place(string value, string turned)
    {
        _turned[value] = turned;
        _computed.Add(value);
    }

    /// <summary>Has a node that reads turned values go on with them, if it works element by element or sums all of them up.</summary>
    public void Follow(Node node)
    {
        if (node.Domain.Length > 0 || node.Outputs.Count != 1 || !node.Inputs.Any(_computed.Contains))
            return;
        if (IsElementwise(node) && node.Inputs.All(i => CanTurn(i, node.Output)))
            Elementwise(node);
        else if (node.OpType.StartsWith("Reduce", StringComparison.Ordinal) && _computed.Contains(node.Inputs[0]) && shapes.Find(node.Output) is { Count: 0 })
            node.SetInput(0, _turned[node.Inputs[0]]);
    }

    /// <summary>The value as it is read where samples come last.</summary>
    public string Of(string value)
    {
        if (_turned.TryGetValue(value, out var turned))
            return turned;
        var shape = shapes.Find(value)!;
        return _turned[value] = shape.Count == 0 ? value
            : shape.Count == 4 && !IsPerChannel(shape, shape[1]) ? Turn(value, shape)
            : PerChannel(value, shape.Max());
    }

    /// <summary>A number for each channel as it is broadcast to turned values.</summary>
    public string PerChannel(string value, long channels) => moved == 2 ? builder.Reshape(value, channels) : builder.Reshape(value, channels, 1, 1, 1);

    /// <summary>What is read in the graph's own order comes back into it.</summary>
    public void TurnBack()
    {
        foreach (var value in _computed.Where(v => model.Graph.Uses(v).Count > 0 || model.Graph.IsOutput(v)))
        {
            var shape = shapes.Find(value)!;
            var matrix = Swap(_turned[value], shape.Skip(moved).Aggregate(1L, (a, d) => a * d));
            model.Graph.Add(new Node("Reshape", value, [matrix, builder.Vector([.. shape])], [value]));
        }
    }

    /// <summary>Whether an elementwise node may read the value turned: it is of the output's shape, or of one element, or has one for each channel.</summary>
    private bool CanTurn(string value, string output)
    {
        if (value.Length == 0 || _computed.Contains(value))
            return true;
        return shapes.Find(value) is { } shape && shapes.Find(output) is { Count: 4 } whole
            && (shape.All(d => d == 1) || shape.SequenceEqual(whole) || IsPerChannel(shape, whole[1]));
    }

    private static bool IsPerChannel(IReadOnlyList<long> shape, long channels) =>
        shape.Count is 3 or 4 && shape[^3] == channels && shape.Where((_, axis) => axis != shape.Count - 3).All(d => d == 1);

    private void Elementwise(Node node)
    {
        for (var i = 0; i < node.Inputs.Count; i++)
            if (node.Inputs[i].Length > 0)
                node.SetInput(i, Of(node.Inputs[i]));
        var value = node.Output;
        var turned = model.Graph.UniqueName($"{value}/turned");
        node.SetOutput(0, turned);
        Place(value, turned);
    }

    private string Turn(string value, IReadOnlyList<long> shape) =>
        builder.Reshape(Swap(value, shape.Take(moved).Aggregate(1L, (a, d) => a * d)), [.. shape.Skip(moved), .. shape.Take(moved)]);

    /// <summary>
    /// Transposes as a matrix, since runtimes are several times faster at moving one axis than two. Without the Flatten, which changes nothing,
    /// ONNX Runtime would move the transposition through the reshapes beside it and so make it one of two axes again.
    /// </summary>
    private string Swap(string value, long rows) => Flat(builder.Transpose(Flat(builder.Reshape(value, rows, -1)), 1, 0));

    private string Flat(string matrix) => builder.Add("Flatten", [matrix], NodeAttribute.Int("axis", 1));
}
