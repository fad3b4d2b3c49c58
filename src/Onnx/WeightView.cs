namespace Orchestrator.Onnx;

/// <summary>
/// A constant as a node sees it, followed to where it is stored: an initializer (a graph input of that name or not) or a Constant node,
/// directly or behind any number of Identity nodes; and everything else that reads the same storage.
/// </summary>
public sealed class WeightView
{
    /// <summary>Identity nodes between a weight and its reader. Exporters leave a few; a search must not be as long as the file.</summary>
    private const int MaxIdentities = 256;

    private readonly Graph _graph;

    private WeightView(Graph graph, string storage, Node? constantNode, Tensor tensor)
    {
        _graph = graph;
        Storage = storage;
        ConstantNode = constantNode;
        Tensor = tensor;
    }

    /// <summary>Name of the initializer, or of the Constant node's output.</summary>
    public string Storage { get; }

    /// <summary>The node that holds the tensor; null where it is an initializer.</summary>
    public Node? ConstantNode { get; }

    public Tensor Tensor { get; }

    /// <summary>Nodes that read the tensor under any of its names; Identity nodes themselves are left out.</summary>
    public IReadOnlyList<ValueUse> Uses => [.. Aliases().SelectMany(_graph.Uses).Where(u => !u.Node.Is("Identity"))];

    /// <summary>Whether the tensor is an output of the graph or read inside a body of control flow, under any of its names.</summary>
    public bool IsExposed => Aliases().Any(a => _graph.IsOutput(a) || _graph.Uses(a).Any(u => u.InputIndex < 0));

    /// <summary>The constant behind a value, or null where the value is computed, fed, or stored sparsely.</summary>
    public static WeightView? Find(Graph graph, string? value)
    {
        for (var identities = 0; value is not null && identities <= MaxIdentities; identities++)
        {
            if (graph.Initializer(value) is { } tensor)
                return new WeightView(graph, value, null, tensor);
            // Only the first output of these operators means anything.
            if (graph.Producer(value) is not { } node || node.Output != value)
                return null;
            if (node.Is("Constant"))
                return ConstantOf(node) is { } content ? new WeightView(graph, value, node, content) : null;
            if (!node.Is("Identity"))
                return null;
            value = node.Input(0);
        }
        return null;
    }

    private static Tensor? ConstantOf(Node node)
    {
        if (node.Constant("value") is { } tensor)
            return tensor.Name.Length > 0 ? tensor : tensor.WithName(node.Output);
        if (node.HasAttribute("value_float"))
            return Tensor.FromFloats(node.Output, [], [node.Float("value_float", 0)]);
        if (node.HasAttribute("value_int"))
            return Tensor.FromLongs(node.Output, [], [node.Int("value_int", 0)]);
        if (node.Floats("value_floats") is { } floats)
            return Tensor.FromFloats(node.Output, [floats.Length], floats);
        return node.Ints("value_ints") is { } ints ? Tensor.FromLongs(node.Output, ints) : null;
    }

    private List<string> Aliases()
    {
        var names = new List<string> { Storage };
        for (var i = 0; i < names.Count; i++)
            names.AddRange(_graph.Uses(names[i]).Where(u => u.Node.Is("Identity")).Select(u => u.Node.Output));
        return names;
    }
}
