using Orchestrator.Grains.Pipelines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Models;

/// <summary>A reconstruction under way.</summary>
internal sealed record ReconstructionRun(ReconstructionPipeline Pipeline, PipelineRun Run);

/// <summary>What the commits of a reconstruction add up to, all of it or the groups that are done.</summary>
internal static class ReconstructionFold
{
    /// <summary>Layers that came out of it, in plan order.</summary>
    public static IReadOnlyList<int> Layers(ReconstructionPipeline pipeline, PipelineFold fold) =>
        [.. Enumerable.Range(0, pipeline.Groups.Count).Where(g => fold.Find(pipeline.WeightsOf(g)) is not null).SelectMany(g => pipeline.Groups[g].Layers).Order()];

    /// <summary>What the result is made from: each layer's blobs, and the grids of activations.</summary>
    /// <param name="reconstruction">Null where the plan reconstructs nothing.</param>
    /// <param name="solved">Result blobs of a layer whose steps are all that is done to it.</param>
    public static IReadOnlyList<BlobRef> ResultsOf(
        JobPlan plan, (ReconstructionPipeline Pipeline, PipelineFold Fold)? reconstruction, IReadOnlyList<int> layers, Func<int, IReadOnlyList<BlobRef>> solved)
    {
        if (reconstruction is not var (pipeline, fold))
            return IndexedList.Concat([.. layers.Select(solved)]);
        return IndexedList.Concat([.. layers.Select(l => pipeline.GroupOf(l) is null ? solved(l) : Results(plan, pipeline, fold, l)), StepSizes(pipeline, fold)]);
    }

    /// <summary>Result blobs of a layer, role by role.</summary>
    private static IReadOnlyList<BlobRef> Results(JobPlan plan, ReconstructionPipeline pipeline, PipelineFold fold, int layer)
    {
        var unit = fold[pipeline.WeightsOf(pipeline.GroupOf(layer)!.Value)];
        return [.. ResultPipeline.ResultRolesOf(plan.Layers[layer]).Select(role => unit.Output($"{role}/{layer}"))];
    }

    /// <summary>Grids of activations: the initial ones, then group by group. None where some group has none: then the model computes in float.</summary>
    public static IReadOnlyList<BlobRef> StepSizes(ReconstructionPipeline pipeline, PipelineFold fold)
    {
        if (pipeline.Initial is not { } initial)
            return [];
        var units = Enumerable.Range(0, pipeline.Groups.Count).Select(pipeline.StepSizesOf).OfType<UnitPlace>().Prepend(initial).Select(fold.Find).ToArray();
        return Array.TrueForAll(units, u => u is not null) ? [.. units.Select(u => u!.Value.Output(Roles.StepSizes))] : [];
    }

    /// <summary>Names of the groups whose turn it is: one after the other, or all that are left where the float model feeds them.</summary>
    public static IReadOnlyList<string> InWork(ReconstructionPipeline pipeline, PipelineFold fold)
    {
        var groups = Enumerable.Range(0, pipeline.Groups.Count);
        var left = groups.Where(g => fold.Find(pipeline.WeightsOf(g)) is null).ToArray();
        if (left.Length == 0)
            left = [.. groups.Where(g => pipeline.StepSizesOf(g) is { } place && fold.Find(place) is null)];
        return [.. left.Take(pipeline.IsChained ? 1 : left.Length).Select(g => pipeline.Groups[g].Name)];
    }

    /// <summary>Each group's figures, phase by phase.</summary>
    public static IReadOnlyList<GroupSummary> Groups(ReconstructionPipeline pipeline, PipelineFold fold) =>
    [
        .. from index in Enumerable.Range(0, pipeline.Groups.Count)
           from place in new[] { pipeline.WeightsOf(index), pipeline.StepSizesOf(index) }.OfType<UnitPlace>().Distinct()
           let unit = fold.Find(place)
           where unit is not null
           select new GroupSummary(pipeline.Groups[index], unit.Value.Metrics),
    ];

    /// <summary>Figures of the layers that came out of it, in place of those of their steps.</summary>
    public static IEnumerable<LayerSummary> Merge(ReconstructionPipeline? pipeline, PipelineFold? fold, IEnumerable<LayerSummary> solved)
    {
        if (pipeline is null || fold is null)
            return solved;
        var all = solved.ToDictionary(l => l.Index);
        foreach (var group in pipeline.Groups)
        {
            foreach (var layer in group.Layers)
            {
                var unit = fold.Find(pipeline.WeightsOf(pipeline.GroupOf(layer)!.Value));
                all[layer] = Summarize(layer, all.GetValueOrDefault(layer), unit?.Metrics);
            }
        }

        return all.OrderBy(l => l.Key).Select(l => l.Value);
    }

    private static LayerSummary Summarize(int layer, LayerSummary? solved, UnitMetrics? metrics)
    {
        if (metrics?.Reconstruction?.Layers.FirstOrDefault(l => l.Index == layer) is not { } figures)
            return (solved ?? new LayerSummary { Index = layer }) with { Failure = solved?.Failure ?? "it was not reconstructed" };
        return (solved ?? new LayerSummary { Index = layer }) with
        {
            ZeroWeights = figures.ZeroWeights,
            Weights = figures.Weights,
            // What its steps lost is not what the written layer loses.
            Loss = null,
            ZeroLoss = null,
            Seconds = (solved?.Seconds ?? 0) + metrics.Seconds / metrics.Reconstruction.Layers.Count,
        };
    }
}
