using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Partition;

/// <summary>A model split into layers and blocks (algorithms.md 3.3). The model is read, not changed.</summary>
public sealed class ModelPartition
{
    private readonly Graph _graph;
    private readonly Dictionary<Layer, Block> _blockOf;

    private ModelPartition(Graph graph, IReadOnlyList<Layer> layers, IReadOnlyList<Block> blocks, IReadOnlyList<UnsupportedLayer> unsupported, InferredShapes shapes)
    {
        _graph = graph;
        Layers = layers;
        Blocks = blocks;
        Unsupported = unsupported;
        Shapes = shapes;
        _blockOf = blocks.SelectMany(block => block.Layers, (block, layer) => (block, layer)).ToDictionary(p => p.layer, p => p.block);
    }

    /// <summary>In topological order.</summary>
    public IReadOnlyList<Layer> Layers { get; }

    /// <summary>In topological order of their first layer; every layer is in exactly one.</summary>
    public IReadOnlyList<Block> Blocks { get; }

    /// <summary>Nodes with weights that stay as they are.</summary>
    public IReadOnlyList<UnsupportedLayer> Unsupported { get; }

    public InferredShapes Shapes { get; }

    public static ModelPartition Of(OnnxModel model)
    {
        var shapes = InferredShapes.Of(model);
        var (layers, unsupported) = new LayerFinder(model, shapes).Find();
        return new ModelPartition(model.Graph, layers, new BlockFinder(model.Graph, layers).Find(), unsupported, shapes);
    }

    public Layer? Find(string name) => Layers.FirstOrDefault(l => l.Name == name);

    public Block BlockOf(Layer layer) => _blockOf[layer];

    /// <summary>Real numbers stored in the model, all constants counted once.</summary>
    public static long Parameters(OnnxModel model) =>
        model.Graph.Initializers.Select(t => t.Name)
            .Concat(model.Graph.Nodes.Where(n => n.Is("Constant")).Select(n => n.Output))
            .Select(name => WeightView.Find(model.Graph, name)?.Tensor)
            .Where(t => t is not null && t.ElementType.IsReal() && t.Shape.Count > 0)
            .Sum(t => t!.Count);

    /// <summary>The first layer, normalization or unsupported node with a NaN or an infinity in one of its constants; null where all are finite.</summary>
    /// <param name="isFinite">Whether a constant is; null looks at it.</param>
    public (Node Node, Tensor Tensor)? FindNonFinite(Func<Tensor, bool>? isFinite = null)
    {
        isFinite ??= tensor => tensor.IsFinite();
        var weighted = Layers.SelectMany(l => l.Nodes).Concat(Unsupported.Select(u => u.Node)).ToHashSet();
        // Other operators may hold infinities on purpose, as attention masks do.
        var finite = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in _graph.Nodes.Where(n => weighted.Contains(n) || n.OpType.EndsWith("Normalization", StringComparison.Ordinal)))
            foreach (var input in node.Inputs)
                if (WeightView.Find(_graph, input) is { } constant && finite.Add(constant.Storage) && !isFinite(constant.Tensor))
                    return (node, constant.Tensor);
        return null;
    }
}
