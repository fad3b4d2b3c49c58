using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>A unit between its look-up and its commit.</summary>
/// <param name="memoryBytes">What it is estimated to take; null where nobody knows.</param>
internal sealed class OpenUnit(UnitPlace place, WorkUnit unit, long? memoryBytes)
{
    public UnitPlace Place => place;

    public WorkUnit Unit => unit;

    public long? MemoryBytes => memoryBytes;

    /// <summary>The last attempt that was dealt with; news of it may come again.</summary>
    public Epoch Seen { get; set; }

    /// <summary>Failed ones of this run of the job, in order.</summary>
    public IReadOnlyList<FailedAttempt> Attempts { get; set; } = [];

    /// <summary>Of the last failed attempt; null where none failed.</summary>
    public Failure? Failure { get; set; }

    /// <summary>While it rests.</summary>
    public DateTimeOffset? NextTry { get; set; }

    /// <summary>More than the largest worker had free that ran out of memory over it.</summary>
    public long? WantedBytes { get; set; }

    /// <summary>How often it was handed back unfinished.</summary>
    public int HandedBack { get; set; }
}
