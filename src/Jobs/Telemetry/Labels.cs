using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Telemetry;

/// <summary>
/// The labels of all metrics, and their values: small closed sets. Tenants, jobs and units are never among them: they stand on spans and
/// logs, where their number costs nothing.
/// </summary>
public static class Labels
{
    public const string Kind = "orchestrator.unit.kind";

    /// <summary>How something ended: the workload's mistakes are <c>failure</c>, the system's are <c>error</c>.</summary>
    public const string Result = "orchestrator.result";

    public const string State = "orchestrator.state";
    public const string Cause = "orchestrator.cause";

    /// <summary>Which kind of blob.</summary>
    public const string Blob = "orchestrator.blob";

    /// <summary>Of calls to a store.</summary>
    public const string Pipeline = "orchestrator.pipeline";

    public const string Success = "success";
    public const string Failure = "failure";
    public const string Error = "error";
    public const string Timeout = "timeout";
    public const string Cancellation = "cancellation";

    /// <summary>Somebody else was first.</summary>
    public const string Conflict = "conflict";

    public static KeyValuePair<string, object?> Of(UnitKind kind) => new(Kind, kind switch
    {
        UnitKind.Outline => "outline",
        UnitKind.Statistics => "statistics",
        UnitKind.Rows => "rows",
        UnitKind.Select => "select",
        UnitKind.Reconstruct => "reconstruct",
        UnitKind.Assemble => "assemble",
        UnitKind.Evaluate => "evaluate",
        _ => "other",
    });

    public static KeyValuePair<string, object?> Of(OutcomeKind outcome) => new(Result, outcome switch
    {
        OutcomeKind.Completed => Success,
        OutcomeKind.WorkloadFailed => Failure,
        OutcomeKind.Lost => Timeout,
        OutcomeKind.Cancelled => Cancellation,
        _ => Error,
    });

    public static KeyValuePair<string, object?> Of(JobStatus status) => new(Result, status switch
    {
        JobStatus.Succeeded => Success,
        JobStatus.Cancelled or JobStatus.Interrupted => Cancellation,
        _ => Failure,
    });
}
