using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions.Messages;

/// <param name="Fresh">Ignore earlier commits of this plan.</param>
public sealed record JobStart(string Tenant, JobPlan Plan, bool Fresh)
{
    /// <summary>Trace context of whoever asked for the job; null where nothing is traced.</summary>
    public string? Trace { get; init; }
}

public sealed record JobStarted(JobPlace Job);

/// <summary>How far a job is. Counts only grow, except when damaged blobs are made again.</summary>
public sealed record JobProgress
{
    public required JobStatus Status { get; init; }
    public required int UnitsTotal { get; init; }
    public required int UnitsDone { get; init; }
    public required int UnitsReused { get; init; }

    /// <summary>Nominal floating-point operations.</summary>
    public required double CostTotal { get; init; }

    public required double CostDone { get; init; }

    /// <summary>The part of <see cref="CostDone"/> that took no time; leave it out of an estimate.</summary>
    public required double CostReused { get; init; }

    /// <summary>What is under way: <c>statistics</c>, <c>layers</c>, <c>reconstruction</c>, <c>result</c> or <c>ended</c>.</summary>
    public required string Phase { get; init; }

    /// <summary>Names of the layers in work, or of the groups that are reconstructed.</summary>
    public required IReadOnlyList<string> Layers { get; init; }

    /// <summary>What happened since the last message.</summary>
    public required IReadOnlyList<JobEvent> Events { get; init; }
}

/// <summary>Something a user may want to know.</summary>
/// <param name="Kind">For example <c>rescue</c>, <c>retry</c>, <c>damaged</c>, <c>layer-solved</c>, <c>layer-failed</c>, <c>diverged</c>.</param>
public sealed record JobEvent(string Kind, string? Layer, string Message);

/// <summary>How a job ended.</summary>
/// <param name="Model">The written model in the store; null where there is none.</param>
/// <param name="Fold">Hex digest over keys and outputs of all committed units: equal for equal results.</param>
public sealed record JobResult(JobStatus Status, string? Reason, JobPlace Job, BlobRef? Model, JobSummary Summary, string Fold)
{
    /// <summary>The written model's large weights; null where the model holds them.</summary>
    public BlobRef? ModelData { get; init; }

    /// <summary>Its end record stands. Otherwise only this run is over: the process stopped or the store failed, and the job goes on when it is started again.</summary>
    public bool IsRecorded { get; init; }
}

/// <param name="Progress">With no events.</param>
/// <param name="Troubles">Those given up first, then those that rest, then those that are tried again.</param>
public sealed record ModelStanding(JobPlace Job, JobProgress Progress, IReadOnlyList<UnitTrouble> Troubles);

/// <summary>A unit with failed attempts that is not committed.</summary>
/// <param name="Code"><c>quarantined</c>: given up; <c>resting</c>: waits before its next attempt; <c>retrying</c>: offered or leased again.</param>
/// <param name="Message">How it failed last.</param>
/// <param name="Attempts">Failed so far.</param>
/// <param name="Workers">On which, in order.</param>
/// <param name="Fingerprint">Of the last failure: equal for failures of one kind.</param>
/// <param name="NextTry">While it rests, by the coordinator's clock.</param>
public sealed record UnitTrouble(string Unit, string Code, string Message, int Attempts, IReadOnlyList<string> Workers, string Fingerprint, DateTimeOffset? NextTry)
{
    /// <summary>Of the last failure, for example <c>disk-full</c>.</summary>
    public string? Failure { get; init; }
}
