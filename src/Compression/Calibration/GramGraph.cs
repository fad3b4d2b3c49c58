using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Calibration;

/// <summary>A layer and the outputs of a graph that add up to its X·Xᵀ: one for each node that uses its weight.</summary>
/// <param name="Layer">The layer's name.</param>
public sealed record GramTarget(string Layer, int Groups, int Columns, IReadOnlyList<string> Outputs)
{
    public Gram CreateGram() => new(Groups, Columns);
}

/// <summary>
/// The generated graph of calibration: the part of a model that some layers' inputs need, and X·Xᵀ of each as outputs. Activations never
/// leave the runtime. The model is used as it is: fold or keep its batch norms before.
/// </summary>
public sealed class GramGraph
{
    private GramGraph(OnnxModel model, IReadOnlyList<GramTarget> targets)
    {
        Model = model;
        Targets = targets;
    }

    public OnnxModel Model { get; }

    /// <summary>In the order of the layers asked for.</summary>
    public IReadOnlyList<GramTarget> Targets { get; }

    /// <param name="partition">The partition of <paramref name="model"/>.</param>
    /// <param name="layers">Names of layers.</param>
    /// <exception cref="Jobs.InputException">The size of a layer's inputs cannot be known.</exception>
    /// <exception cref="ArgumentException">The model has no such layer.</exception>
    public static GramGraph Build(OnnxModel model, ModelPartition partition, IEnumerable<string> layers)
    {
        Layer[] chosen = [.. layers.Select(name => partition.Find(name) ?? throw new ArgumentException($"The model has no layer '{name}'.", nameof(layers)))];
        var builder = GraphBuilder.Extract(model, chosen.SelectMany(layer => layer.Nodes.Select(layer.InputOf)));
        var products = new ProductGraph(builder, partition.Shapes);
        var targets = new List<GramTarget>();
        foreach (var layer in chosen)
        {
            string[] outputs = [.. layer.Nodes.Select(node => products.Product(layer, node))];
            targets.Add(new GramTarget(layer.Name, layer.Groups, layer.Columns, outputs));
        }

        foreach (var output in targets.SelectMany(target => target.Outputs).Distinct())
            builder.Output(output, type: ElementType.Float32);
        return new GramGraph(builder.Build(), targets);
    }
}
