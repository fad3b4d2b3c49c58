using Orchestrator.Compression.Reconstruction.Activations;
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
    public static ModelOutline Of(OnnxModel model, string digest, long bytes, BatchNormMode batchNorm) => OfLast(model.Clone(), digest, bytes, batchNorm);

    /// <summary>Of a model that nothing needs afterwards: it is prepared in place, since a copy of a graph of many nodes is as large as the graph.</summary>
    /// <param name="model">Changed; not to be used afterwards.</param>
    /// <inheritdoc cref="Of"/>
    public static ModelOutline OfLast(OnnxModel model, string digest, long bytes, BatchNormMode batchNorm)
    {
        TensorOutline[] inputs = [.. model.Graph.Inputs.Where(value => model.Graph.Initializer(value.Name) is null).Select(Outline)];
        TensorOutline[] outputs = [.. model.Graph.Outputs.Select(Outline)];
        var (opset, parameters) = (model.Opset, ModelPartition.Parameters(model));
        var prepared = ModelPreparation.Prepare(model, batchNorm);
        var partition = ModelPartition.Of(prepared);
        var obstacles = GroupObstacles.Of(prepared, partition);
        // Where there are too many to look at, some have a unit that finds nothing to tune.
        var inFloat = (long)prepared.Graph.Nodes.Count * partition.Layers.Count > GroupObstacles.MostLookedAt
            ? new HashSet<string>()
            : ActivationPlaces.LayersInFloat(prepared, partition);
        return new ModelOutline
        {
            Digest = digest,
            Bytes = bytes,
            Opset = opset,
            Inputs = inputs,
            Outputs = outputs,
            Layers = [.. partition.Layers.Select(layer => Outline(layer, partition.BlockOf(layer).Name) with
            {
                Obstacle = obstacles.Layers.GetValueOrDefault(layer.Name),
                LeavesFloat = inFloat.Contains(layer.Name),
            })],
            Blocks = [.. partition.Blocks.Select(block => new BlockOutline(block.Name, [.. block.Layers.Select(layer => layer.Name)], obstacles.Blocks.GetValueOrDefault(block.Name)))],
            Unsupported = [.. partition.Unsupported.Select(left => new UnsupportedNode(left.Node.Name, left.Node.OpType, left.Reason))],
            Norms = ChannelSites.Norms(prepared, partition.Shapes),
            LayerOutputs = ChannelSites.LayerOutputs(prepared, partition),
            Parameters = parameters,
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
