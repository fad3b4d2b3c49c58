namespace Orchestrator.Onnx.Partition;

/// <summary>
/// Groups layers into blocks. An addition whose inputs meet again in a common ancestor closes a residual unit, with all layers between;
/// the rest are chains of at most three layers that follow each other directly (algorithms.md 3.3).
/// </summary>
internal sealed class BlockFinder
{
    /// <summary>A bottleneck with projection has four layers, an attention block six. Additions over longer spans (U-shaped nets) are not residual units.</summary>
    private const int MaxResidualLayers = 8;

    private const int MaxChain = 3;

    private readonly Graph _graph;
    private readonly IReadOnlyList<Layer> _layers;
    private readonly Dictionary<Node, Layer> _layerOf;
    private readonly Dictionary<Node, int> _place = [];
    private readonly List<(Node Add, string Entry, List<Layer> Layers)> _residuals = [];
    private readonly HashSet<Layer> _taken = [];

    public BlockFinder(Graph graph, IReadOnlyList<Layer> layers)
    {
        _graph = graph;
        _layers = layers;
        _layerOf = layers.ToDictionary(l => l.Node);
        for (var i = 0; i < graph.Nodes.Count; i++)
            _place.Add(graph.Nodes[i], i);
    }

    public IReadOnlyList<Block> Find()
    {
        foreach (var add in _graph.Nodes.Where(n => n.Is("Add") || n.Is("Sum")))
            TryResidual(add);
        var blocks = _residuals.ConvertAll(r => (r.Layers, r.Entry, r.Add.Output, Close: (Node?)r.Add));
        blocks.AddRange(Chains().Select(c => (c, c[0].Input, c[^1].Output, (Node?)null)));
        blocks.Sort((a, b) => _place[a.Layers[0].Node].CompareTo(_place[b.Layers[0].Node]));

        var names = new HashSet<string>(StringComparer.Ordinal);
        var prefixes = blocks.ConvertAll(b => BlockNames.CommonPrefix(b.Layers));
        return [.. blocks.Select((b, i) =>
        {
            var isUnique = prefixes[i].Length > 0 && prefixes.Count(p => p == prefixes[i]) == 1 && names.Add(prefixes[i]);
            var name = isUnique ? prefixes[i] : BlockNames.Unique(b.Close?.Name ?? b.Layers[0].Name, names);
            return new Block(name, b.Layers, b.Item2, b.Item3, b.Close is not null);
        })];
    }

    private void TryResidual(Node add)
    {
        var inputs = add.Inputs.Where(i => i.Length > 0 && WeightView.Find(_graph, i) is null).Distinct().ToList();
        if (inputs.Count < 2 || Meeting(inputs) is not { } entry)
            return;
        var between = Between(entry, add);
        var layers = between.Where(_layerOf.ContainsKey).OrderBy(n => _place[n]).Select(n => _layerOf[n]).ToList();
        if (layers.Count is 0 or > MaxResidualLayers || layers.Exists(_taken.Contains))
            return;
        _taken.UnionWith(layers);
        _residuals.Add((add, entry, layers));
    }

    /// <summary>The last value from which all inputs are computed, or that is one of them; null where they meet only in a graph input they merely share.</summary>
    private string? Meeting(List<string> values)
    {
        var upstream = values.ConvertAll(Upstream);
        var common = upstream[0];
        foreach (var other in upstream.Skip(1))
            common.IntersectWith(other);
        return common.Count == 0 ? null : common.MaxBy(v => _graph.Producer(v) is { } node ? _place[node] : -1);
    }

    /// <summary>The value and all values it is computed from, shape arithmetic and constants aside.</summary>
    private HashSet<string> Upstream(string value)
    {
        var seen = new HashSet<string>(StringComparer.Ordinal);
        var pending = new Stack<string>([value]);
        while (pending.TryPop(out var next))
        {
            if (!seen.Add(next) || _graph.Producer(next) is not { } node)
                continue;
            foreach (var input in DataInputs(node))
                pending.Push(input);
        }
        seen.RemoveWhere(v => WeightView.Find(_graph, v) is not null);
        return seen;
    }

    /// <summary>Nodes on the ways from the value to the node.</summary>
    private HashSet<Node> Between(string entry, Node close)
    {
        var above = new HashSet<Node>();
        var pending = new Stack<Node>([close]);
        while (pending.TryPop(out var node))
            foreach (var producer in DataInputs(node).Where(i => i != entry).Select(_graph.Producer).OfType<Node>())
                if (above.Add(producer))
                    pending.Push(producer);

        var reached = new HashSet<string>(StringComparer.Ordinal) { entry };
        var between = new HashSet<Node>();
        foreach (var node in above.OrderBy(n => _place[n]).Where(n => DataInputs(n).Any(reached.Contains)))
        {
            between.Add(node);
            reached.UnionWith(node.Outputs);
        }
        return between;
    }

    /// <summary>Inputs that carry activations: not the sizes, axes and repeats that exporters compute from shapes.</summary>
    private static IEnumerable<string> DataInputs(Node node) => node.OpType switch
    {
        "Shape" or "Size" => [],
        "Reshape" or "Expand" or "Tile" or "Slice" or "Pad" or "Resize" or "Upsample" or "Unsqueeze" or "Squeeze" or "Split" or "TopK" or "ConstantOfShape"
            or "Clip" => node.Inputs.Take(1),
        _ => node.Inputs.Where(i => i.Length > 0),
    };

    private List<List<Layer>> Chains()
    {
        var chains = new List<List<Layer>>();
        foreach (var layer in _layers.Where(l => !_taken.Contains(l)))
        {
            if (chains is [.., { Count: < MaxChain } last] && Follows(layer, last[^1]))
                last.Add(layer);
            else
                chains.Add([layer]);
        }
        return chains;
    }

    /// <summary>Whether the layer reads the other's output with no further layer between and from nowhere else.</summary>
    private bool Follows(Layer layer, Layer other)
    {
        var seen = new HashSet<Node>();
        var sources = new HashSet<Node>();
        var pending = new Stack<Node>(new[] { _graph.Producer(layer.Input) }.OfType<Node>());
        while (pending.TryPop(out var node))
        {
            if (!seen.Add(node))
                continue;
            if (_layerOf.ContainsKey(node))
                sources.Add(node);
            else
                foreach (var producer in DataInputs(node).Select(_graph.Producer).OfType<Node>())
                    pending.Push(producer);
        }
        return sources.SetEquals([other.Node]);
    }
}
