using System.Security.Cryptography;
using System.Text;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Pipelines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Models;

/// <summary>What all of a job's commits add up to.</summary>
internal static class ModelFold
{
    public static JobSummary Summarize(ModelRuns runs, IReadOnlyDictionary<int, LayerEnd> ends, PipelineCounts counts)
    {
        var layers = ends.OrderBy(e => e.Key).Select(e => e.Value.Summary);
        if (runs.Reconstruction is not { } r)
            return Summarize(runs.Baseline.Fold, runs.Result?.Fold, runs.All.Select(run => run.Fold), layers, counts);
        return Summarize(runs.Baseline.Fold, runs.Result?.Fold, runs.All.Select(run => run.Fold), ReconstructionFold.Merge(r.Pipeline, r.Run.Fold, layers), counts)
            with { Groups = ReconstructionFold.Groups(r.Pipeline, r.Run.Fold) };
    }

    /// <param name="result">Null before all layers have ended.</param>
    /// <param name="own">All pipelines that are no layer's.</param>
    public static JobSummary Summarize(PipelineFold baseline, PipelineFold? result, IEnumerable<PipelineFold> own, IEnumerable<LayerSummary> layers, PipelineCounts counts)
    {
        var results = result?.InOrder().ToArray() ?? [];
        return new JobSummary
        {
            Layers = [.. layers],
            Baseline = Metric(baseline.InOrder()),
            Compressed = Metric(results.Where(u => u.Id.StartsWith(ResultPipeline.EvaluationPrefix, StringComparison.Ordinal))),
            LatencyBeforeMs = results.Where(u => u.Id == ResultPipeline.FloatLatency).Select(u => u.Metrics.LatencyMs).FirstOrDefault(),
            LatencyAfterMs = results.Where(u => u.Id == ResultPipeline.CompressedLatency).Select(u => u.Metrics.LatencyMs).FirstOrDefault(),
            ModelBytes = Assembly(result)?.Metrics.ModelBytes,
            Activations = Assembly(result)?.Metrics.Activations ?? [],
            Checks = [.. results.SelectMany(u => u.Metrics.Checks ?? [])],
            Corrections = [.. results.SelectMany(u => u.Metrics.Corrections ?? [])],
            Rescues = [.. own.SelectMany(fold => fold.InOrder()).SelectMany(u => u.Metrics.Rescues ?? []).Distinct()],
            Computed = counts.Computed,
            Reused = counts.Reused,
        };
    }

    public static BlobRef? Model(PipelineFold? result) => Assembly(result)?.Output(Roles.Model);

    /// <summary>The written model's large weights; null where the model holds them.</summary>
    public static BlobRef? ModelData(PipelineFold? result) =>
        Assembly(result) is { } unit && unit.Digests.Any(output => output.Role == Roles.ModelData) ? unit.Output(Roles.ModelData) : null;

    /// <summary>Hex SHA-256 over the folds of all pipelines in the plan's order.</summary>
    public static string Digest(ModelRuns runs, IReadOnlyDictionary<int, LayerEnd> ends)
    {
        var folds = runs.All.Select(r => r.Fold.Digest()).Concat(ends.OrderBy(e => e.Key).Select(e => e.Value.Fold));
        return Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', folds))));
    }

    /// <summary>The draft where its corrections failed: still the best model there is.</summary>
    private static CommittedUnit? Assembly(PipelineFold? result)
    {
        CommittedUnit? draft = null;
        foreach (var unit in result?.InOrder() ?? [])
        {
            if (unit.Id == ResultPipeline.Assembly)
                return unit;
            if (unit.Id == ResultPipeline.Draft)
                draft = unit;
        }

        return draft;
    }

    private static MetricFold? Metric(IEnumerable<CommittedUnit> shards)
    {
        var folded = shards.Aggregate(new MetricFold(0, 0), (sum, u) => new MetricFold(sum.Sum + (u.Metrics.MetricSum ?? 0), sum.Count + (u.Metrics.MetricCount ?? 0)));
        return folded.Count == 0 ? null : folded;
    }
}
