namespace Orchestrator.Onnx;

/// <summary>
/// A constant as a node sees it, followed to where it is stored: an initializer (a graph input of that name or not) or a Constant node,
/// directly or behind any number of Identity nodes and one Cast between real types; and everything else that reads the same storage.
/// </summary>
public sealed class WeightView
{
    /// <summary>Identity and Cast nodes between a weight and its reader. Exporters leave a few; a search must not be as long as the file.</summary>
    private const int MaxPassed = 256;

    private readonly Graph _graph;

    private WeightView(Graph graph, string storage, Node? constantNode, Tensor tensor, ElementType? cast)
    {
        _graph = graph;
        Storage = storage;
        ConstantNode = constantNode;
        Tensor = tensor;
        ReadAs = cast ?? tensor.ElementType;
    }

    /// <summary>Name of the initializer, or of the Constant node's output.</summary>
    public string Storage { get; }

    /// <summary>The node that holds the tensor; null where it is an initializer.</summary>
    public Node? ConstantNode { get; }

    /// <summary>The tensor as it is stored.</summary>
    public Tensor Tensor { get; }

    /// <summary>The element type that the node gets: another than the stored one where a Cast stands between.</summary>
    public ElementType ReadAs { get; }

    /// <summary>Nodes that read the tensor under any of its names; Identity and Cast nodes themselves are left out.</summary>
    public IReadOnlyList<ValueUse> Uses => [.. Aliases().SelectMany(_graph.Uses).Where(u => !PassesOn(u.Node))];

    /// <summary>Whether the tensor is an output of the graph or read inside a body of control flow, under any of its names.</summary>
    public bool IsExposed => Aliases().Any(a => _graph.IsOutput(a) || _graph.Uses(a).Any(u => u.InputIndex < 0));

    /// <summary>The constant behind a value, or null where the value is computed, fed, or stored sparsely.</summary>
    public static WeightView? Find(Graph graph, string? value)
    {
        ElementType? cast = null;
        for (var passed = 0; value is not null && passed <= MaxPassed; passed++)
        {
            if (graph.Initializer(value) is { } tensor)
                return Checked(new WeightView(graph, value, null, tensor, cast));
            // Only the first output of these operators means anything.
            if (graph.Producer(value) is not { } node || node.Output != value)
                return null;
            if (node.Is("Constant"))
                return ConstantOf(node) is { } content ? Checked(new WeightView(graph, value, node, content, cast)) : null;
            if (!PassesOn(node) || (node.Is("Cast") && cast is not null))
                return null;
            cast ??= node.Is("Cast") ? CastTarget(node) : null;
            value = node.Input(0);
        }
        return null;
    }

    /// <summary>Whether the node hands its input on as it is, or as another real type.</summary>
    private static bool PassesOn(Node node) => node.Is("Identity") || (node.Is("Cast") && CastTarget(node).IsReal());

    private static ElementType CastTarget(Node node) => (ElementType)node.Int("to", 0);

    /// <summary>Integers that are cast to a real type are no stored weight, but codes.</summary>
    private static WeightView? Checked(WeightView view) => view.ReadAs == view.Tensor.ElementType || view.Tensor.ElementType.IsReal() ? view : null;

    /// <summary>Removes the tensor where nothing reads it any more, with the Identity and Cast nodes that led to it.</summary>
    public void RemoveUnread()
    {
        if (IsExposed || Uses.Count > 0)
            return;
        for (var dead = LastAlias(); dead is not null; dead = LastAlias())
            _graph.Remove(dead);
        if (ConstantNode is not null)
            _graph.Remove(ConstantNode);
        else
            _graph.RemoveInitializer(Storage);
    }

    private Node? LastAlias()
    {
        var value = Storage;
        Node? last = null;
        while (_graph.Uses(value) is [var use, ..])
            (last, value) = (use.Node, use.Node.Output);
        return last;
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
            names.AddRange(_graph.Uses(names[i]).Where(u => u.InputIndex == 0 && PassesOn(u.Node)).Select(u => u.Node.Output));
        return names;
    }
}
