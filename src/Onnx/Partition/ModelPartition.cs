using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Partition;

/// <summary>A model split into layers and blocks (algorithms.md 3.3). The model is read, not changed.</summary>
public sealed class ModelPartition
{
    private ModelPartition(IReadOnlyList<Layer> layers, IReadOnlyList<Block> blocks, IReadOnlyList<UnsupportedLayer> unsupported, InferredShapes shapes)
    {
        Layers = layers;
        Blocks = blocks;
        Unsupported = unsupported;
        Shapes = shapes;
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
        return new ModelPartition(layers, new BlockFinder(model.Graph, layers).Find(), unsupported, shapes);
    }

    public Layer? Find(string name) => Layers.FirstOrDefault(l => l.Name == name);

    public Block BlockOf(Layer layer) => Blocks.First(b => b.Layers.Contains(layer));

    /// <summary>Real numbers stored in the model, all constants counted once.</summary>
    public static long Parameters(OnnxModel model) =>
        model.Graph.Initializers.Select(t => t.Name)
            .Concat(model.Graph.Nodes.Where(n => n.Is("Constant")).Select(n => n.Output))
            .Select(name => WeightView.Find(model.Graph, name)?.Tensor)
            .Where(t => t is not null && t.ElementType.IsReal() && t.Shape.Count > 0)
            .Sum(t => t!.Count);

    /// <summary>The first layer whose weight or bias holds a NaN or an infinity; null where all are finite.</summary>
    public (Layer Layer, Tensor Tensor)? FindNonFinite()
    {
        foreach (var layer in Layers)
            foreach (var input in layer.Node.Inputs)
                if (WeightView.Find(layer.Graph, input) is { } constant && !constant.Tensor.IsFinite())
                    return (layer, constant.Tensor);
        return null;
    }
}
