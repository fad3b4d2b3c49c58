using System.Text;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Zoo.Tests.Networks;

/// <summary>A model's partition as lines of text.</summary>
internal static class PartitionText
{
    public static string Of(OnnxModel model)
    {
        var partition = ModelPartition.Of(model);
        var text = new StringBuilder();
        text.AppendLine($"opset {model.Opset}, {model.Graph.Nodes.Count} nodes, {ModelPartition.Parameters(model)} parameters");
        foreach (var target in new[] { OpsetUpgrade.MinTarget, OpsetUpgrade.MaxTarget })
            text.AppendLine($"opset {target}: {(OpsetUpgrade.FindBlockers(model, target) is [var first, ..] ? first : "free")}");
        foreach (var block in partition.Blocks)
        {
            text.AppendLine($"block {block.Name}{(block.IsResidual ? " (residual)" : "")}");
            foreach (var layer in block.Layers)
                text.AppendLine($"  {layer}{(layer.Groups > 1 ? $" in {layer.Groups} groups" : "")}{(layer.SharedWith.Count > 0 ? $", shared by {string.Join(", ", layer.SharedWith.Select(n => n.Name))}" : "")}, positions {layer.Positions}");
        }

        foreach (var left in partition.Unsupported)
            text.AppendLine($"left alone: {left.Node.OpType} {left.Node.Name}: {left.Reason}");
        return text.ToString();
    }
}
