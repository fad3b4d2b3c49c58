using Orchestrator.Grains.Pipelines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Grains;

/// <summary>What a layer's commits add up to.</summary>
internal static class LayerFold
{
    /// <param name="resultStage">The stage whose numbers describe the layer as delivered.</param>
    public static LayerSummary Summarize(LayerPlan layer, PipelineFold fold, int resultStage, Failure? failure)
    {
        // Made as they are read: there may be a million.
        var results = failure is null ? fold.InStage(resultStage).Select(u => u.Metrics) : [];
        return new LayerSummary
        {
            Index = layer.Index,
            Failure = failure?.Message,
            Loss = Sum(results.Select(m => m.Loss)),
            ZeroLoss = Sum(results.Select(m => m.ZeroLoss)),
            ZeroWeights = results.Sum(m => m.ZeroWeights ?? 0),
            Weights = results.Sum(m => m.Weights ?? 0),
            Seconds = fold.InOrder().Sum(u => u.Metrics.Seconds),
            // Every row range tells of the layer's dead columns; once is enough.
            Rescues = [.. fold.InOrder().SelectMany(u => u.Metrics.Rescues ?? []).Distinct()],
        };
    }

    private static double? Sum(IEnumerable<double?> values)
    {
        double? sum = null;
        foreach (var value in values)
        {
            if (value is { } v)
                sum = (sum ?? 0) + v;
        }

        return sum;
    }
}
