using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions.Messages;

public enum OwnerKind
{
    Model = 1,
    Layer = 2,
}

/// <summary>Whom an ended attempt is told to.</summary>
/// <param name="Key">The grain's key.</param>
/// <param name="Part">Which of the grain's pipelines; empty where it has one.</param>
public sealed record UnitOwner(OwnerKind Kind, string Key, string Part = "");

/// <param name="Job">Jobs take turns; within a job units go first come, first served.</param>
/// <param name="Tenant">Whose names the outputs get.</param>
public sealed record UnitOffer(UnitOwner Owner, string Tenant, string Job, WorkUnit Unit)
{
    /// <summary>Workers that failed the unit: others get it first.</summary>
    public IReadOnlyList<string> Avoid { get; init; } = [];

    /// <summary>Memory that it is estimated to take; null where nobody knows. Workers with less free memory do not get it.</summary>
    public long? MemoryBytes { get; init; }

    /// <summary>More than a worker had free that ran out of memory over it: workers that have as much get it first.</summary>
    public long? WantedBytes { get; init; }

    /// <summary>Trace context that attempts belong to; null where nothing is traced.</summary>
    public string? Trace { get; init; }
}

/// <param name="Worker">Its name, unique among the workers of a coordinator.</param>
/// <param name="Profiles">Numeric profiles that it can compute in, which say the device too; the best first.</param>
/// <param name="Max">Free slots.</param>
public sealed record LeaseRequest(string Worker, IReadOnlyList<string> Profiles, int Max)
{
    /// <summary>Memory that a further unit may take; null where the worker does not know.</summary>
    public long? FreeBytes { get; init; }
}

/// <summary>The right to run a unit for a while.</summary>
/// <param name="OutputPrefix">What goes before the roles in the names of outputs; unique to the attempt.</param>
/// <param name="Duration">From the moment the request was sent, and what it waited: a worker cannot tell how long the answer was under way.</param>
public sealed record Lease(WorkUnit Unit, Epoch Epoch, string OutputPrefix, TimeSpan Duration)
{
    /// <summary>How long the request had waited at the coordinator when the lease began.</summary>
    public TimeSpan Waited { get; init; }

    /// <inheritdoc cref="UnitOffer.Trace"/>
    public string? Trace { get; init; }
}

public sealed record Heartbeat(string Worker, IReadOnlyList<AttemptProgress> Attempts);

/// <param name="Fraction">0 to 1.</param>
public sealed record AttemptProgress(Epoch Epoch, double Fraction);

/// <param name="Tenant">Null for all tenants.</param>
/// <param name="Job">Null for all jobs of the tenant.</param>
/// <param name="Most">Units to name.</param>
public sealed record ScheduleQuestion(string? Tenant, string? Job, int Most);

/// <param name="Leased">All that are leased, named or not.</param>
/// <param name="Waiting">All that wait for a worker, named or not.</param>
/// <param name="Units">Leased ones first, oldest lease first; then waiting ones.</param>
/// <param name="Workers">All that were heard of lately, whomever they work for, by name.</param>
public sealed record ScheduleStanding(int Leased, int Waiting, IReadOnlyList<ScheduledUnit> Units, IReadOnlyList<WorkerStanding> Workers);

/// <param name="Lease">Null while it waits.</param>
/// <param name="Wait">Null while it is leased.</param>
public sealed record ScheduledUnit(string Tenant, string Job, string Unit, string Profile, LeaseStanding? Lease, UnitWait? Wait);

/// <summary>Why a unit waits.</summary>
/// <param name="Code"><c>queued</c>: a worker will take it when a slot is free; <c>no-worker</c>: none is alive; <c>no-matching-worker</c>: none that is alive has its profile and memory.</param>
public sealed record UnitWait(string Code, string Message);

/// <param name="FreeBytes">As it told last; null where it did not.</param>
/// <param name="Leases">Units that it holds.</param>
/// <param name="Heard">Since it asked for units or renewed leases last.</param>
/// <param name="IsAlive">Heard of within the duration of a lease.</param>
public sealed record WorkerStanding(string Worker, IReadOnlyList<string> Profiles, long? FreeBytes, int Leases, TimeSpan Heard, bool IsAlive);

/// <param name="Fraction">0 to 1, as the last heartbeat told.</param>
/// <param name="Age">Since it was granted.</param>
public sealed record LeaseStanding(string Worker, Epoch Epoch, double Fraction, TimeSpan Age);

/// <param name="Worker">Who held the lease.</param>
public sealed record AttemptEnd(UnitOwner Owner, WorkUnit Unit, Epoch Epoch, string Worker, Outcome Outcome)
{
    /// <summary>The lease was lost, the worker fell silent, and it held nothing else: the unit may be what ended it. Where it lost more at once nothing speaks against this unit in particular.</summary>
    public bool IsCrash { get; init; }

    /// <summary>No other worker was alive that could have taken the unit.</summary>
    public bool HadNoOther { get; init; }

    /// <summary>What the worker had free when it took the unit; null where it did not tell.</summary>
    public long? FreeBytes { get; init; }
}
