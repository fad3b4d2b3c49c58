using System.Text.Json.Serialization;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Outcomes;

public enum OutcomeKind
{
    /// <summary>Outputs are written; a commit may follow.</summary>
    Completed = 1,

    /// <summary>The computation itself failed.</summary>
    WorkloadFailed = 2,

    /// <summary>Memory, disk, device or store failed under it.</summary>
    SystemFailed = 3,

    /// <summary>Nothing was heard before the lease ended; the attempt may still be running.</summary>
    Lost = 4,

    /// <summary>Handed back because the job or the worker stops.</summary>
    Cancelled = 5,
}

/// <summary>How an attempt ended. A closed set: made by the factories only.</summary>
public sealed record Outcome
{
    [JsonConstructor]
    private Outcome(OutcomeKind kind, IReadOnlyList<UnitOutput> outputs, UnitMetrics? metrics, Failure? failure)
    {
        Kind = kind;
        Outputs = outputs;
        Metrics = metrics;
        Failure = failure;
    }

    public OutcomeKind Kind { get; }

    /// <summary>Empty unless completed.</summary>
    public IReadOnlyList<UnitOutput> Outputs { get; }

    /// <summary>Null unless completed.</summary>
    public UnitMetrics? Metrics { get; }

    /// <summary>Null only when completed.</summary>
    public Failure? Failure { get; }

    /// <summary>Trace context of the attempt; null where nothing is traced.</summary>
    public string? Trace { get; init; }

    public static Outcome Completed(IReadOnlyList<UnitOutput> outputs, UnitMetrics metrics) => new(OutcomeKind.Completed, outputs, metrics, null);

    public static Outcome WorkloadFailed(Failure failure) => new(OutcomeKind.WorkloadFailed, [], null, failure);

    public static Outcome SystemFailed(Failure failure) => new(OutcomeKind.SystemFailed, [], null, failure);

    public static Outcome Lost(string worker) =>
        new(OutcomeKind.Lost, [], null, new Failure("lease-expired", $"Worker '{worker}' was not heard of before its lease ended.", Retryable: true));

    public static Outcome Cancelled(string reason) => new(OutcomeKind.Cancelled, [], null, new Failure("cancelled", reason, Retryable: true));
}
