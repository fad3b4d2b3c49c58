namespace Orchestrator.Onnx;

/// <summary>Element types of values, as far as they follow from the graph without running it.</summary>
internal sealed class ElementTypes
{
    /// <summary>Nodes between a value and one whose type is told. A search must not be as long as the file.</summary>
    private const int MaxPassed = 1024;

    private static readonly HashSet<string> s_integers =
        ["ArgMax", "ArgMin", "NonMaxSuppression", "NonZero", "SequenceLength", "Shape", "Size"];

    private static readonly HashSet<string> s_truths =
        ["And", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual", "Not", "Or", "Xor"];

    /// <summary>Operators whose type does not follow from their first input.</summary>
    private static readonly HashSet<string> s_other =
    [
        "Bernoulli", "CastLike", "ConstantOfShape", "ConvInteger", "DynamicQuantizeLinear", "EyeLike", "If", "Loop", "MatMulInteger", "Multinomial", "OneHot",
        "QuantizeLinear", "RandomNormal", "RandomNormalLike", "RandomUniform", "RandomUniformLike", "Scan", "SequenceEmpty", "TfIdfVectorizer",
    ];

    private readonly Graph _graph;
    private readonly Dictionary<string, ElementType> _stated;

    public ElementTypes(Graph graph)
    {
        _graph = graph;
        _stated = graph.Inputs.Concat(graph.ValueInfos).Where(v => v.ElementType != ElementType.Undefined)
            .DistinctBy(v => v.Name).ToDictionary(v => v.Name, v => v.ElementType, StringComparer.Ordinal);
    }

    /// <summary>The type, or null where it cannot be told.</summary>
    public ElementType? Find(string value)
    {
        for (var passed = 0; passed < MaxPassed; passed++)
        {
            if (_stated.TryGetValue(value, out var type))
                return type;
            if (_graph.Initializer(value) is { } tensor)
                return tensor.ElementType;
            if (_graph.Producer(value) is not { Domain.Length: 0 } node || s_other.Contains(node.OpType))
                return null;
            if (node.Is("Cast"))
                return (ElementType)node.Int("to", 0);
            if (node.Is("Constant"))
                return WeightView.Find(_graph, value)?.Tensor.ElementType;
            if (s_integers.Contains(node.OpType))
                return ElementType.Int64;
            if (s_truths.Contains(node.OpType))
                return ElementType.Bool;
            // The scale carries the type of what is dequantized, and the condition of Where says nothing.
            if (node.Input(node.Is("DequantizeLinear") || node.Is("Where") ? 1 : 0) is not { } source || (node.Output != value && node.Is("TopK")))
                return null;
            value = source;
        }
        return null;
    }
}
