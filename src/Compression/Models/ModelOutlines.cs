using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Models;

/// <summary>What planning needs to know, read off a model.</summary>
public static class ModelOutlines
{
    /// <param name="model">Read, not changed.</param>
    /// <param name="digest">Hex SHA-256 of the model's bytes.</param>
    /// <param name="bytes">Size, external data included.</param>
    /// <param name="batchNorm">Layers are those of the prepared model: folding splits weights that several layers share.</param>
    public static ModelOutline Of(OnnxModel model, string digest, long bytes, BatchNormMode batchNorm)
    {
        var prepared = ModelPreparation.Prepare(model.Clone(), batchNorm);
        var partition = ModelPartition.Of(prepared);
        return new ModelOutline
        {
            Digest = digest,
            Bytes = bytes,
            Opset = model.Opset,
            Inputs = [.. model.Graph.Inputs.Where(value => model.Graph.Initializer(value.Name) is null).Select(Outline)],
            Outputs = [.. model.Graph.Outputs.Select(Outline)],
            Layers = [.. partition.Layers.Select(layer => Outline(layer, partition.BlockOf(layer).Name))],
            Blocks = [.. partition.Blocks.Select(block => new BlockOutline(block.Name, [.. block.Layers.Select(layer => layer.Name)]))],
            Unsupported = [.. partition.Unsupported.Select(left => new UnsupportedNode(left.Node.Name, left.Node.OpType, left.Reason))],
            Norms = ChannelSites.Norms(prepared, partition.Shapes),
            LayerOutputs = ChannelSites.LayerOutputs(prepared, partition),
            Parameters = ModelPartition.Parameters(model),
            Macs = partition.Layers.Sum(layer => Math.Max(layer.Macs, 0)),
        };
    }

    private static TensorOutline Outline(GraphValue value) =>
        new(value.Name, value.ElementType.OnnxName(), [.. value.Shape ?? []]);

    private static LayerOutline Outline(Layer layer, string block) => new()
    {
        Name = layer.Name,
        OpType = layer.OpType,
        Rows = layer.Rows,
        Columns = layer.Columns,
        Groups = layer.Groups,
        KernelPositions = layer.KernelPositions,
        Macs = Math.Max(layer.Macs, 0),
        Positions = Math.Max(layer.Positions, 1),
        SharedWith = [.. layer.SharedWith.Select(node => node.Name)],
        Block = block,
        Zeros = layer.Weight.Tensor.ZeroFraction(),
    };
}
