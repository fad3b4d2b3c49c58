using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Server.Protocol;

/// <summary>A job as a user hands it in; its model and data have been put under <see cref="Routes.Inputs"/> before.</summary>
/// <param name="Name">What people call it, usually the recipe's file name.</param>
/// <param name="Fresh">Ignore earlier commits of this plan.</param>
public sealed record JobSubmission(string Name, JobPlan Plan, ModelOutline Outline, JobSources Sources, bool Fresh)
{
    /// <summary>Chosen by the caller, another one for each submission: a request that is sent again because its answer was lost is carried out once. Matters for fresh ones only.</summary>
    public string? Request { get; init; }
}

/// <summary>What a job was made from, for its provenance.</summary>
public sealed record JobSources(SourceStamp Recipe, SourceStamp Model, SourceStamp Calibration, SourceStamp? Evaluation);

/// <param name="File">As the recipe writes it; for the recipe itself its file name.</param>
public sealed record SourceStamp(string File, string Sha256, long Bytes);

public enum JobState
{
    /// <summary>Taken in, not started yet.</summary>
    Queued = 1,

    Running = 2,

    /// <summary>By a user; goes on with <c>resume</c>.</summary>
    Paused = 3,

    /// <summary>Has a status.</summary>
    Ended = 4,
}

/// <summary>A job in a line. Counts are a fold of commits.</summary>
public sealed record JobView
{
    public required string Id { get; init; }
    public required string Tenant { get; init; }
    public required string Name { get; init; }
    public required JobState State { get; init; }

    /// <summary>Null until the job has ended.</summary>
    public JobStatus? Status { get; init; }

    public string? Reason { get; init; }
    public required DateTimeOffset Submitted { get; init; }
    public DateTimeOffset? Ended { get; init; }
    public int UnitsTotal { get; init; }
    public int UnitsDone { get; init; }
    public int UnitsReused { get; init; }

    /// <summary><c>statistics</c>, <c>layers</c>, <c>reconstruction</c>, <c>result</c> or <c>ended</c>; null while nothing runs.</summary>
    public string? Phase { get; init; }

    /// <summary>0 to 1, by nominal cost.</summary>
    public double Progress { get; init; }

    /// <summary>Null while there is nothing to tell it from.</summary>
    public double? SecondsLeft { get; init; }
}

/// <summary>Everything about a job that fits on a screen.</summary>
/// <param name="Layers">Names of the layers in work.</param>
/// <param name="Leases">Units under way, and where.</param>
/// <param name="Incidents">The newest last: retries, rescues, damaged blobs, take-overs, units given up.</param>
public sealed record JobDescription(
    JobView Job, string Model, string Profile, IReadOnlyList<string> Layers, IReadOnlyList<LeaseView> Leases, IReadOnlyList<JobLogLine> Incidents)
{
    /// <summary>Why it is where it is, as <c>explain</c> says it, without its units; null from an older server.</summary>
    public JobExplanation? Why { get; init; }
}

/// <param name="Attempt">Its epoch.</param>
/// <param name="Fraction">0 to 1, as the last heartbeat told.</param>
public sealed record LeaseView(string Unit, string Worker, string Attempt, double Fraction, double Seconds);

/// <summary>Why a job is where it is.</summary>
/// <param name="Code">One stable word, for example <c>running</c>, <c>no-worker</c>, <c>no-matching-worker</c>, <c>store-unavailable</c>, <c>paused</c>, <c>resting</c>, <c>quarantined</c>, <c>ended</c>.</param>
/// <param name="NextStep">What the user can do, or that nothing is needed.</param>
/// <param name="Units">The units that wait or were given up, each with its reason; at most a hundred.</param>
public sealed record JobExplanation(string Code, string Message, string NextStep, IReadOnlyList<UnitExplanation> Units);

/// <param name="Attempts">Failed so far.</param>
/// <param name="Fingerprint">Equal for failures of one kind; null where none failed.</param>
public sealed record UnitExplanation(string Unit, string Code, string Message, int Attempts, string? Fingerprint);

public sealed record JobLogLine(DateTimeOffset Time, string Kind, string? Layer, string Message);

/// <summary>All that a report is made from.</summary>
public sealed record JobOutcome(JobResult Result, JobPlan Plan, ModelOutline Outline, JobSources Sources, DateTimeOffset Submitted, DateTimeOffset Ended, double Seconds, IReadOnlyList<Rescue> Incidents);
