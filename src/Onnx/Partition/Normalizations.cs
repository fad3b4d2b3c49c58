using Orchestrator.Onnx.Passes;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Partition;

/// <summary>A normalization whose parameters are constants: its affine part can be changed channel by channel.</summary>
/// <param name="IsBatchNorm">Channels are the second axis and the statistics are parameters; otherwise LayerNormalization over the last axis.</param>
public sealed record Normalization(Node Node, int Channels, bool IsBatchNorm);

/// <summary>Finds batch norms in inference mode and LayerNormalizations over one axis.</summary>
public static class Normalizations
{
    /// <summary>In topological order.</summary>
    public static IReadOnlyList<Normalization> Of(OnnxModel model, InferredShapes shapes) =>
        [.. model.Graph.Nodes.Select(node => Find(model.Graph, node, shapes)).OfType<Normalization>()];

    private static Normalization? Find(Graph graph, Node node, InferredShapes shapes)
    {
        if (WeightView.Find(graph, node.Input(1)) is not { } scale || scale.Tensor.Shape.Count != 1 || !scale.Tensor.ElementType.IsReal())
            return null;
        var channels = (int)scale.Tensor.Count;
        if (node.Is("BatchNormalization"))
            return FoldBatchNorm.IsInference(graph, node) && Enumerable.Range(2, 3).All(i => IsParameter(graph, node.Input(i), channels)) ? new(node, channels, true) : null;
        if (!node.Is("LayerNormalization") || (node.Input(2) is { } shift && !IsParameter(graph, shift, channels)))
            return null;
        var axis = node.Int("axis", -1);
        return axis == -1 || axis == shapes.Find(node.Inputs[0])?.Count - 1 ? new(node, channels, false) : null;
    }

    private static bool IsParameter(Graph graph, string? value, int channels) =>
        WeightView.Find(graph, value) is { } view && view.Tensor.ElementType.IsReal() && view.Tensor.Count == channels;
}
