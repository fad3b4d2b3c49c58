using Orchestrator.Jobs.Outlines;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Compression.Models;

/// <summary>Where corrections can be made: normalizations, and outputs of layers.</summary>
internal static class ChannelSites
{
    public static IReadOnlyList<ChannelSite> Norms(OnnxModel prepared, InferredShapes shapes)
    {
        var norms = Normalizations.Of(prepared, shapes);
        var depths = NodeDepths.Of(prepared.Graph, norms.Select(norm => norm.Node));
        return [.. norms.Select(norm => new ChannelSite(
            norm.Node.Name, norm.Node.OpType, null, norm.IsBatchNorm ? ChannelAxis.Second : ChannelAxis.Last, norm.Channels, depths[norm.Node]))];
    }

    public static IReadOnlyList<ChannelSite> LayerOutputs(OnnxModel prepared, ModelPartition partition)
    {
        var layers = partition.Layers.SelectMany(layer => layer.Nodes.Select(node => (Node: node, Layer: layer))).ToDictionary(pair => pair.Node, pair => pair.Layer);
        var depths = NodeDepths.Of(prepared.Graph, layers.Keys);
        return [.. prepared.Graph.Nodes.Where(layers.ContainsKey).Select(node => new ChannelSite(
            node.Name, node.OpType, layers[node].Name, AxisOf(layers[node].Kind), layers[node].Rows, depths[node]))];
    }

    private static ChannelAxis AxisOf(LayerKind kind) => kind switch
    {
        LayerKind.Convolution => ChannelAxis.Second,
        LayerKind.FeaturesLast => ChannelAxis.Last,
        _ => ChannelAxis.LastButOne,
    };
}
