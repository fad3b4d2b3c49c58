using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Jobs.Machines;

/// <summary>What can happen to a pipeline. A closed set.</summary>
public abstract record PipelineEvent
{
    private PipelineEvent()
    {
    }

    /// <summary>The given blobs are there: the first start, or again after they were repaired.</summary>
    public sealed record Begun : PipelineEvent;

    /// <summary>The unit's key was looked up among the commits.</summary>
    public sealed record LookedUp(UnitPlace Unit, bool Found) : PipelineEvent;

    /// <summary>A commit record for the unit exists, ours or another's.</summary>
    public sealed record Committed(UnitPlace Unit) : PipelineEvent;

    /// <param name="Counts">Failed attempts of the unit, this one included; says nothing where the attempt was only handed back.</param>
    public sealed record AttemptFailed(UnitPlace Unit, OutcomeKind Kind, Failure Failure, AttemptCounts Counts) : PipelineEvent;

    /// <summary>The wait before another attempt is over.</summary>
    public sealed record Rested(UnitPlace Unit) : PipelineEvent;

    /// <summary>A blob of a committed unit is damaged.</summary>
    /// <param name="Producer">The unit that made it; null where another pipeline made it.</param>
    public sealed record Damaged(UnitPlace? Producer) : PipelineEvent;

    /// <summary>Activations that the unit needs were collected, since what they had been captured for was done.</summary>
    /// <param name="Producers">The units that captured them.</param>
    public sealed record Collected(UnitPlace Unit, IReadOnlyList<UnitPlace> Producers) : PipelineEvent;

    /// <summary>Workers waited for units when some were offered.</summary>
    public sealed record Wanted(int Workers) : PipelineEvent;

    /// <summary>Nothing may be committed any more.</summary>
    public sealed record Stopped : PipelineEvent;
}

/// <summary>What the owner of a pipeline has to do. A closed set.</summary>
public abstract record PipelineEffect
{
    private PipelineEffect()
    {
    }

    /// <summary>Compute the unit's key, look it up, answer with <see cref="PipelineEvent.LookedUp"/>.</summary>
    public sealed record LookUp(UnitPlace Unit) : PipelineEffect;

    /// <summary>Give the unit to the scheduler.</summary>
    public sealed record Offer(UnitPlace Unit) : PipelineEffect;

    /// <summary>Answer with <see cref="PipelineEvent.Rested"/> after the delay.</summary>
    public sealed record Rest(UnitPlace Unit, TimeSpan Delay) : PipelineEffect;

    /// <summary>Take all offered units back from the scheduler and forget all rests.</summary>
    public sealed record Withdraw : PipelineEffect;

    /// <summary>Set the unit's commit record aside, so that its look-up finds nothing.</summary>
    public sealed record Invalidate(UnitPlace Unit) : PipelineEffect;

    /// <summary>Ask for the given blobs again; <see cref="PipelineEvent.Begun"/> follows.</summary>
    public sealed record AskForGiven : PipelineEffect;

    /// <summary>All units are committed.</summary>
    public sealed record Finish : PipelineEffect;

    /// <summary>A unit is quarantined; the pipeline will not finish.</summary>
    public sealed record GiveUp(UnitPlace Unit, Failure Failure) : PipelineEffect;
}
