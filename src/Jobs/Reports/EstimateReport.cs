using Orchestrator.Jobs.Estimates;

namespace Orchestrator.Jobs.Reports;

/// <summary>What preflight said a job would take, and what it took.</summary>
public sealed record EstimateReport
{
    public required Consumption Planned { get; init; }
    public required Consumption Actual { get; init; }

    /// <summary>Planned over actual; members are null where the run did only part of the work.</summary>
    public required ConsumptionRatio Ratio { get; init; }

    public required IReadOnlyList<PhaseReport> Phases { get; init; }

    /// <summary>What preflight warned of.</summary>
    public IReadOnlyList<string> Warnings { get; init; } = [];

    /// <summary>Why there is no ratio; null where there is one.</summary>
    public string? Note { get; init; }

    /// <param name="phases">Wall seconds of each phase by name.</param>
    /// <param name="isWhole">Whether the run did all of the job's work itself.</param>
    public static EstimateReport Of(JobEstimate estimate, Consumption actual, IReadOnlyDictionary<string, double> phases, bool isWhole, IReadOnlyList<string> warnings)
    {
        var planned = new Consumption(estimate.Seconds, estimate.CpuSeconds, estimate.MemoryBytes, estimate.DiskBytes);
        return new EstimateReport
        {
            Planned = planned,
            Actual = actual,
            Ratio = isWhole
                ? new ConsumptionRatio(Of(planned.Seconds, actual.Seconds), Of(planned.CpuSeconds, actual.CpuSeconds), Of(planned.MemoryBytes, actual.MemoryBytes), Of(planned.DiskBytes, actual.DiskBytes))
                : new ConsumptionRatio(null, null, null, null),
            Phases = [.. estimate.Phases.Select(phase => new PhaseReport(phase.Name, phase.Seconds, phases.GetValueOrDefault(phase.Name)))],
            Warnings = warnings,
            Note = isWhole ? null : "this run did only a part of the work: the estimate is for a whole job from an empty store",
        };
    }

    private static double? Of(double? planned, double? actual) => actual > 0 ? planned / actual : null;
}

/// <param name="Seconds">Wall time.</param>
/// <param name="CpuSeconds">Time of all cores together.</param>
/// <param name="MemoryBytes">Peak working set of the process.</param>
/// <param name="DiskBytes">Growth of the store; null where it lies in no folder.</param>
public sealed record Consumption(double Seconds, double CpuSeconds, long MemoryBytes, long? DiskBytes);

public sealed record ConsumptionRatio(double? Seconds, double? CpuSeconds, double? MemoryBytes, double? DiskBytes);

/// <summary>Wall seconds of a phase.</summary>
public sealed record PhaseReport(string Name, double Planned, double Actual);
