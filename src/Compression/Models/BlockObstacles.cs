using Orchestrator.Compression.Reconstruction;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Models;

/// <summary>Which blocks cannot be reconstructed as a whole, because something between their layers has no gradient.</summary>
internal static class BlockObstacles
{
    /// <param name="model">Prepared; not changed.</param>
    /// <returns>Reasons, by the block's name; blocks without an obstacle, or with a single layer, are left out.</returns>
    public static IReadOnlyDictionary<string, string> Of(OnnxModel model, ModelPartition partition)
    {
        var obstacles = new Dictionary<string, string>(StringComparer.Ordinal);
        // Most models have none at all, and then one walk is enough.
        string[] all = [.. partition.Layers.SelectMany(WeightsOf)];
        if (model.Graph.Outputs.All(output => Gradients.Unsupported(model.Graph, output.Name, all).Count == 0))
            return obstacles;
        foreach (var block in partition.Blocks.Where(b => b.Layers.Count > 1))
        {
            var boundary = GroupBoundary.Of(model, partition, [.. block.Layers.Select(l => l.Name)]);
            if (Gradients.Unsupported(model.Graph, boundary.Output, [.. block.Layers.SelectMany(WeightsOf)]) is [var node, ..])
                obstacles.Add(block.Name, $"'{node.Name}' ({node.OpType}) has no gradient");
        }

        return obstacles;
    }

    private static IEnumerable<string> WeightsOf(Layer layer) => layer.Nodes.Select(node => node.Inputs[layer.WeightInput]);
}
