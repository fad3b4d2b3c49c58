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

    /// <summary>Branches that an addition brings together; one bit each.</summary>
    private const int MaxBranches = 63;

    /// <summary>Nodes that one search goes back over. Blocks have tens; without a bound, files of many additions would take the square of their size.</summary>
    private const int MaxSearch = 512;

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
        var bearers = prefixes.CountBy(p => p).ToDictionary(p => p.Key, p => p.Value, StringComparer.Ordinal);
        return [.. blocks.Select((b, i) =>
        {
            var isUnique = prefixes[i].Length > 0 && bearers[prefixes[i]] == 1 && names.Add(prefixes[i]);
            var name = isUnique ? prefixes[i] : BlockNames.Unique(b.Close?.Name ?? b.Layers[0].Name, names);
            return new Block(name, b.Layers, b.Item2, b.Item3, b.Close is not null);
        })];
    }

    private void TryResidual(Node add)
    {
        var inputs = add.Inputs.Where(i => i.Length > 0 && WeightView.Find(_graph, i) is null).Distinct().ToList();
        if (inputs.Count is < 2 or > MaxBranches || Meeting(inputs) is not { } entry)
            return;
        var layers = Between(entry, add).Where(_layerOf.ContainsKey).OrderBy(n => _place[n]).Select(n => _layerOf[n]).ToList();
        if (layers.Count is 0 or > MaxResidualLayers || layers.Exists(_taken.Contains))
            return;
        _taken.UnionWith(layers);
        _residuals.Add((add, entry, layers));
    }

    /// <summary>The last value from which all inputs are computed, or that is one of them; null where there is none within the search.</summary>
    private string? Meeting(List<string> values)
    {
        var all = (1UL << values.Count) - 1;
        var reachedBy = new Dictionary<string, ulong>(StringComparer.Ordinal);
        var pending = new PriorityQueue<string, int>();
        for (var i = 0; i < values.Count; i++)
            Reach(values[i], 1UL << i);

        // Values come in the order of the graph, the last first: when one comes, everything that is computed from it has come.
        for (var left = MaxSearch; left > 0 && pending.TryDequeue(out var value, out _); left--)
        {
            var branches = reachedBy[value];
            if (branches == all)
                return value;
            if (_graph.Producer(value) is { } node)
                foreach (var input in DataInputs(node))
                    Reach(input, branches);
        }
        return null;

        void Reach(string value, ulong branches)
        {
            if (value.Length > 0 && reachedBy.TryAdd(value, branches))
            {
                if (WeightView.Find(_graph, value) is null)
                    pending.Enqueue(value, _graph.Producer(value) is { } node ? -_place[node] : 1);
            }
            else if (value.Length > 0)
                reachedBy[value] |= branches;
        }
    }

    /// <summary>Nodes on the ways from the value to the node; none where the search gets too long.</summary>
    private HashSet<Node> Between(string entry, Node close)
    {
        var above = new HashSet<Node>();
        var pending = new Stack<Node>([close]);
        var first = _graph.Producer(entry) is { } producer ? _place[producer] : -1;
        while (pending.TryPop(out var node))
        {
            if (above.Count > MaxSearch)
                return [];
            // What comes before the entry in the graph is not computed from it.
            foreach (var earlier in DataInputs(node).Where(i => i != entry).Select(_graph.Producer).OfType<Node>().Where(n => _place[n] > first))
                if (above.Add(earlier))
                    pending.Push(earlier);
        }

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
            if (seen.Count > MaxSearch)
                return false;
            if (_layerOf.ContainsKey(node))
                sources.Add(node);
            else
                foreach (var producer in DataInputs(node).Select(_graph.Producer).OfType<Node>())
                    pending.Push(producer);
        }
        return sources.SetEquals([other.Node]);
    }
}
