using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Reports;

/// <summary>How layers were reconstructed together, one phase of it.</summary>
public sealed record GroupReport
{
    public required string Name { get; init; }
    public required Granularity Granularity { get; init; }

    /// <summary>Names, in the model's order.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    public required ReconstructionPhase Phase { get; init; }

    /// <summary>Of all calibration samples, before: every code the nearest one, or every step size as it was found.</summary>
    public required double NearestLoss { get; init; }

    /// <summary>And with what was kept.</summary>
    public required double Loss { get; init; }

    public required int Iterations { get; init; }
    public required double Rate { get; init; }

    /// <summary>Share of all weights whose code is not the nearest; null where weights were not tuned.</summary>
    public double? Flipped { get; init; }

    /// <summary>Share of all roundings that were decided when the tuning ended.</summary>
    public double? Converged { get; init; }

    /// <summary>The loss as it went.</summary>
    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    /// <summary>Of the attempt that ended it.</summary>
    public required double Seconds { get; init; }

    /// <summary>Number of the state that this attempt went on from, left by one that broke off; null where it began at the beginning.</summary>
    public int? ResumedFrom { get; init; }

    /// <summary>Why the group is smaller than asked for, and why what was tuned was not kept; null where neither is so.</summary>
    public string? Reason { get; init; }

    internal static GroupReport Of(JobPlan plan, GroupSummary summary)
    {
        var (group, metrics) = summary;
        var tuned = metrics.Reconstruction!;
        return new GroupReport
        {
            Name = group.Name,
            Granularity = group.Granularity,
            Layers = [.. group.Layers.Select(l => plan.Layers[l].Name)],
            Phase = tuned.Phase,
            NearestLoss = tuned.NearestLoss,
            Loss = tuned.Loss,
            Iterations = tuned.Iterations,
            Rate = tuned.Rate,
            Flipped = Share(tuned.Layers, l => l.Flipped),
            Converged = Share(tuned.Layers, l => l.Converged),
            Curve = tuned.Curve,
            Seconds = metrics.Seconds,
            ResumedFrom = tuned.ResumedFrom,
            Reason = string.Join("; ", new[] { group.Reason, tuned.Reason }.OfType<string>()) is { Length: > 0 } reason ? reason : null,
        };
    }

    /// <summary>Of the weights of all layers that have one.</summary>
    private static double? Share(IReadOnlyList<ReconstructedLayerMetrics> layers, Func<ReconstructedLayerMetrics, double?> of)
    {
        var known = layers.Where(l => of(l) is not null && l.Weights > 0).ToArray();
        return known.Length == 0 ? null : known.Sum(l => of(l)!.Value * l.Weights) / known.Sum(l => (double)l.Weights);
    }
}
