using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Reconstruction.Activations;

/// <summary>A value that is quantized.</summary>
/// <param name="Value">Its name in the prepared model.</param>
public sealed record ActivationPlace(string Value, int Bits);

/// <summary>
/// Which values of a network are quantized (algorithms.md 3.5 and 3.8): what leaves a layer and what leaves an addition, behind the activation
/// function that follows, but not what only goes into an addition; and what enters a layer without coming from one of these. What no further layer is
/// computed from is the network's output and stays in float, as its input does, scaled or not.
/// </summary>
/// <remarks>
/// Values that are only moved or averaged on the way to a layer are not quantized again: before a classifier behind a global pool it is the last block's
/// output that has a grid, of 8 bits where the last layer has (the real producer, algorithms.md 3.8).
/// </remarks>
public static class ActivationPlaces
{
    private const int EightBits = 8;

    /// <summary>Operators whose output lies between the smallest and the largest element of their first input, or of all inputs.</summary>
    private static readonly HashSet<string> s_passive =
    [
        "Identity", "Reshape", "Flatten", "Squeeze", "Unsqueeze", "Transpose", "Dropout", "Slice", "Split", "Gather", "Concat", "Expand", "Tile", "Pad",
        "MaxPool", "AveragePool", "GlobalMaxPool", "GlobalAveragePool", "ReduceMean", "ReduceMax", "DepthToSpace", "SpaceToDepth", "Resize", "Upsample",
    ];

    /// <summary>The whole network's, in graph order.</summary>
    /// <param name="model">Prepared and without quantizers; not changed.</param>
    /// <param name="partition">Of a model with the same values.</param>
    public static IReadOnlyList<ActivationPlace> Of(OnnxModel model, ModelPartition partition, ActivationSpec spec)
    {
        var graph = model.Graph;
        var eight = EightOf(graph, partition, spec);
        return [.. ValuesOf(graph, partition).Select(value => new ActivationPlace(value, eight.Contains(value) ? EightBits : spec.Bits))];
    }

    /// <summary>Those that a group computes, its output included, in graph order. What no group computes keeps the grid that it began with.</summary>
    /// <inheritdoc cref="Of"/>
    public static IReadOnlyList<ActivationPlace> Within(OnnxModel model, ModelPartition partition, GroupBoundary boundary, ActivationSpec spec)
    {
        var inside = Inside(model.Graph, boundary);
        return [.. Of(model, partition, spec).Where(place => inside.Contains(place.Value))];
    }

    /// <summary>Names of the layers that compute nothing by themselves that is quantized: such a group has no step sizes.</summary>
    /// <inheritdoc cref="Of"/>
    public static IReadOnlySet<string> LayersInFloat(OnnxModel model, ModelPartition partition)
    {
        var values = ValuesOf(model.Graph, partition).ToHashSet(StringComparer.Ordinal);
        return partition.Layers.Select(layer => layer.Name)
            .Where(name => !Inside(model.Graph, GroupBoundary.Of(model, partition, [name])).Overlaps(values))
            .ToHashSet(StringComparer.Ordinal);
    }

    /// <summary>Names of the layers that compute on a quantized value, moved or averaged on the way or not, by the value; in graph order.</summary>
    /// <param name="values">What is quantized.</param>
    /// <inheritdoc cref="Of"/>
    public static ILookup<string, string> LayersBehind(OnnxModel model, ModelPartition partition, IEnumerable<string> values)
    {
        var quantized = values.ToHashSet(StringComparer.Ordinal);
        return partition.Layers
            .SelectMany(layer => layer.Nodes.SelectMany(node => SourcesOf(model.Graph, layer.InputOf(node), quantized)).Where(quantized.Contains).Distinct(), (layer, value) => (layer.Name, Value: value))
            .ToLookup(pair => pair.Value, pair => pair.Name);
    }

    /// <summary>What a group computes, and what it computes it from but for what enters.</summary>
    private static HashSet<string> Inside(Graph graph, GroupBoundary boundary)
    {
        var inside = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([boundary.Output]);
        while (pending.TryPop(out var value))
        {
            if (boundary.Inputs.Contains(value) || !inside.Add(value) || graph.Producer(value) is not { } node)
                continue;
            foreach (var input in node.Inputs)
                pending.Push(input);
        }

        return inside;
    }

    private static List<string> ValuesOf(Graph graph, ModelPartition partition)
    {
        var layers = partition.Layers.SelectMany(l => l.Nodes).ToHashSet();
        var leaving = new HashSet<string>(StringComparer.Ordinal);
        var additions = new HashSet<Node>();
        foreach (var node in graph.Nodes)
        {
            var isAddition = IsAddition(graph, node, leaving);
            if (isAddition)
                additions.Add(node);
            if (isAddition || layers.Contains(node))
                leaving.Add(ActivationTail.Of(graph, node.Output));
        }

        var needed = AboveLayers(graph, partition);
        var quantized = leaving.Where(v => needed.Contains(v) && !graph.IsOutput(v) && !graph.Uses(v).All(u => additions.Contains(u.Node))).ToHashSet();
        foreach (var input in partition.Layers.SelectMany(l => l.Nodes.Select(l.InputOf)))
            quantized.UnionWith(SourcesOf(graph, input, quantized).Where(v => !graph.IsOutput(v) && !IsPreprocessed(graph, v)));
        return [.. graph.Nodes.SelectMany(n => n.Outputs).Where(quantized.Contains)];
    }

    /// <summary>Whether a node brings together what layers compute with something else that is computed.</summary>
    private static bool IsAddition(Graph graph, Node node, HashSet<string> leaving) =>
        (node.Is("Add") || node.Is("Sum")) && node.Inputs.Any(leaving.Contains) && node.Inputs.Where(i => WeightView.Find(graph, i) is null).Distinct().Count() > 1;

    /// <summary>Everything that some layer's input is computed from, that input included.</summary>
    private static HashSet<string> AboveLayers(Graph graph, ModelPartition partition)
    {
        var above = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>(partition.Layers.SelectMany(l => l.Nodes.Select(l.InputOf)));
        while (pending.TryPop(out var value))
        {
            if (!above.Add(value) || graph.Producer(value) is not { } node)
                continue;
            foreach (var input in node.Inputs.Where(i => i.Length > 0))
                pending.Push(input);
        }

        return above;
    }

    /// <summary>The computed values that a value is moved or averaged from, those that are quantized already included.</summary>
    private static HashSet<string> SourcesOf(Graph graph, string input, HashSet<string> quantized)
    {
        var sources = new HashSet<string>(StringComparer.Ordinal);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([input]);
        while (pending.TryPop(out var value))
        {
            if (!seen.Add(value) || graph.Producer(value) is not { } node)
                continue;
            if (quantized.Contains(value) || !s_passive.Contains(node.OpType) || WeightView.Find(graph, node.Input(0)) is not null)
                sources.Add(value);
            else
                foreach (var earlier in node.Is("Concat") ? node.Inputs : node.Inputs.Take(1))
                    pending.Push(earlier);
        }

        return sources;
    }

    /// <summary>Whether a value is the network's input, moved, scaled and shifted at most.</summary>
    private static bool IsPreprocessed(Graph graph, string value)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([value]);
        while (pending.TryPop(out var next))
        {
            if (!seen.Add(next) || WeightView.Find(graph, next) is not null || graph.Producer(next) is not { } node)
                continue;
            var isMoved = s_passive.Contains(node.OpType) && WeightView.Find(graph, node.Input(0)) is null;
            if (!isMoved && !node.Is("Cast") && !ActivationTail.IsElementwise(node))
                return false;
            foreach (var input in node.Inputs.Where(i => i.Length > 0))
                pending.Push(input);
        }

        return true;
    }

    /// <summary>What leaves the first of the layers with 8 bits, and what the last one's input comes from.</summary>
    private static HashSet<string> EightOf(Graph graph, ModelPartition partition, ActivationSpec spec)
    {
        var eight = new HashSet<string>(StringComparer.Ordinal);
        if (spec.Eight.Count == 0)
            return eight;
        var values = ValuesOf(graph, partition).ToHashSet(StringComparer.Ordinal);
        var (first, last) = (Find(partition, spec.Eight[0]), Find(partition, spec.Eight[^1]));
        eight.UnionWith(first.Nodes.Select(node => ActivationTail.Of(graph, node.Output)));
        eight.UnionWith(last.Nodes.SelectMany(node => SourcesOf(graph, last.InputOf(node), values)));
        return eight;
    }

    private static Layer Find(ModelPartition partition, LayerRef layer) =>
        partition.Find(layer.Name) ?? throw new InvalidOperationException($"The model has no layer '{layer.Name}'.");
}
