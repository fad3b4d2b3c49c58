using Orchestrator.Compression.Reconstruction;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Models;

/// <summary>What cannot be reconstructed and why: something on the way has no gradient, or a shape is not known.</summary>
/// <param name="Blocks">Reasons, by the name of a block of several layers that cannot be done as a whole.</param>
/// <param name="Layers">Reasons, by the name of a layer that cannot be done by itself.</param>
internal sealed record GroupObstacles(IReadOnlyDictionary<string, string> Blocks, IReadOnlyDictionary<string, string> Layers)
{
    /// <summary>Nodes to look at, all groups together, up to which gradients are tried where a look at the operators does not tell: about a second.</summary>
    private const long MostTried = 200_000;

    /// <summary>The same for boundaries.</summary>
    public const long MostLookedAt = 20_000_000;

    /// <param name="model">Prepared; not changed.</param>
    public static GroupObstacles Of(OnnxModel model, ModelPartition partition)
    {
        var (blocks, layers) = (new Dictionary<string, string>(StringComparer.Ordinal), new Dictionary<string, string>(StringComparer.Ordinal));
        var work = (long)model.Graph.Nodes.Count * (partition.Layers.Count + partition.Blocks.Count);
        // Most models have none at all, and then one walk and one try of the whole network are enough.
        string[] all = [.. partition.Layers.SelectMany(WeightsOf)];
        var isKnown = model.Graph.Outputs.All(output => Gradients.Unsupported(model.Graph, output.Name, all).Count == 0);
        if (work > MostLookedAt && isKnown)
            return new GroupObstacles(blocks, layers);
        var isTried = isKnown && work <= MostTried && Whole(model, partition, all);
        string? Find(IReadOnlyList<Layer> members) => Obstacle(model, partition, members, isTried: isTried || work > MostTried, isKnown);
        foreach (var block in partition.Blocks.Where(b => b.Layers.Count > 1))
        {
            if (Find(block.Layers) is { } reason)
                blocks.Add(block.Name, reason);
        }

        foreach (var layer in work > MostLookedAt ? [] : partition.Layers)
        {
            if (Find([layer]) is { } reason)
                layers.Add(layer.Name, reason);
        }

        return new GroupObstacles(blocks, layers);
    }

    /// <summary>Whether the outputs have gradients with respect to all weights at once: then every group's has, too.</summary>
    private static bool Whole(OnnxModel model, ModelPartition partition, string[] weights)
    {
        try
        {
            var copy = model.Clone();
            OpsetUpgrade.Raise(copy, OpsetUpgrade.MinTarget);
            var builder = GraphBuilder.Edit(copy);
            string[] outputs = [.. model.Graph.Outputs.Where(o => o.ElementType == ElementType.Float32).Select(o => o.Name)];
            if (outputs.Length == 0 || outputs.Any(o => partition.Shapes.Find(o) is null) || copy.Graph.Inputs.Any(i => i.Shape is not [_, ..] || i.Shape.Skip(1).Any(d => d < 0)))
                return false;
            foreach (var input in copy.Graph.Inputs)
            {
                var name = copy.Graph.UniqueName($"{input.Name}/fixed");
                copy.Graph.AddInput(new GraphValue(name, input.ElementType, [partition.Shapes.SamplesPerRun, .. input.Shape!.Skip(1)]));
                copy.Graph.ReplaceUses(input.Name, name);
                copy.Graph.RemoveInput(input.Name);
            }

            var sums = outputs.Select(o => Sum(builder, o, partition.Shapes.Find(o)!.Count)).ToList();
            Gradients.Add(builder, sums.Count == 1 ? sums[0] : builder.Add("Sum", sums), [.. weights.Distinct()]);
            return true;
        }
        catch (OnnxException)
        {
            return false;
        }
    }

    private static string? Obstacle(OnnxModel model, ModelPartition partition, IReadOnlyList<Layer> members, bool isTried, bool isKnown)
    {
        var boundary = GroupBoundary.Of(model, partition, [.. members.Select(l => l.Name)]);
        string[] weights = [.. members.SelectMany(WeightsOf).Distinct()];
        if (!isKnown && Gradients.Unsupported(model.Graph, boundary.Output, weights) is [var node, ..])
            return $"'{node.Name}' ({node.OpType}) has no gradient";
        try
        {
            foreach (var value in boundary.Inputs.Append(boundary.Output))
                GroupGraph.SampleShape(partition, value);
            if (isTried)
                return null;
            var copy = model.Clone();
            OpsetUpgrade.Raise(copy, OpsetUpgrade.MinTarget);
            var cut = GroupGraph.Cut(copy, ModelPartition.Of(copy), boundary, (int)partition.Shapes.SamplesPerRun, GroupGraph.Square);
            Gradients.Add(cut.Builder, Sum(cut.Builder, cut.Errors, cut.Rank), weights);
            return null;
        }
        catch (OnnxException e)
        {
            return $"{e.Subject}: {e.Message}";
        }
    }

    private static string Sum(GraphBuilder builder, string value, int rank) => builder.Reduce("ReduceSum", value, false, [.. Enumerable.Range(0, rank).Select(i => (long)i)]);

    private static IEnumerable<string> WeightsOf(Layer layer) => layer.Nodes.Select(node => node.Inputs[layer.WeightInput]);
}
