using System.Collections.Immutable;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Jobs.Machines;

/// <summary>
/// A pipeline's decisions: (state, event) → (state, effects). A layer is one pipeline; the model has some of its own. Events that
/// come late or twice change nothing, so they may be delivered any number of times.
/// </summary>
public static class PipelineMachine
{
    /// <summary>Damaged blobs after which the store is held to be broken rather than the blob.</summary>
    public const int MaxRepairs = 16;

    public static PipelineStep Step(PipelineState state, PipelineEvent happened) => happened switch
    {
        PipelineEvent.Begun when state.Status == PipelineStatus.Waiting => Advance(state with { Status = PipelineStatus.Running }, []),
        PipelineEvent.LookedUp e when IsOpen(state, e.Unit, OpenPhase.LookingUp) => e.Found
            ? Close(state, e.Unit)
            : new PipelineStep(Set(state, e.Unit, OpenPhase.Offered), [new PipelineEffect.Offer(e.Unit)]),
        PipelineEvent.Committed e when IsOpen(state, e.Unit) => Close(state, e.Unit),
        PipelineEvent.AttemptFailed e when IsOpen(state, e.Unit, OpenPhase.Offered) => Retry(state, e),
        PipelineEvent.Rested e when IsOpen(state, e.Unit, OpenPhase.Resting) =>
            new PipelineStep(Set(state, e.Unit, OpenPhase.Offered), [new PipelineEffect.Offer(e.Unit)]),
        PipelineEvent.Wanted e when state.Status == PipelineStatus.Running =>
            Advance(state with { Window = Math.Max(state.Window, Math.Min(state.Window + e.Workers, PipelineState.MaxWindow)) }, []),
        // What was committed before a pipeline was given up may be in use, and is made again like anything else.
        PipelineEvent.Damaged e when state.Status is PipelineStatus.Running or PipelineStatus.Finished or PipelineStatus.GivenUp => Repair(state, e.Producer),
        PipelineEvent.Collected e when IsOpen(state, e.Unit) => Regain(state, e.Producers),
        PipelineEvent.Stopped when state.Status is not PipelineStatus.Stopped =>
            new PipelineStep(Clear(state) with { Status = PipelineStatus.Stopped }, [new PipelineEffect.Withdraw()]),
        _ => new PipelineStep(state, []),
    };

    private static PipelineStep Close(PipelineState state, UnitPlace unit) =>
        Advance(state with { Open = state.Open.Remove(unit.Index), Done = state.Done + 1 }, []);

    /// <summary>Opens as many units as the window allows; goes to the next stage when one is committed.</summary>
    private static PipelineStep Advance(PipelineState state, ImmutableArray<PipelineEffect> before)
    {
        var effects = before.ToBuilder();
        while (state.Done == state.Stages[state.Stage])
        {
            if (state.Stage == state.Stages.Length - 1)
            {
                effects.Add(new PipelineEffect.Finish());
                return new PipelineStep(state with { Status = PipelineStatus.Finished }, effects.ToImmutable());
            }

            state = state with { Stage = state.Stage + 1, Next = 0, Done = 0 };
        }

        var open = state.Open;
        var next = state.Next;
        for (; next < state.Stages[state.Stage] && open.Count < state.Window; next++)
        {
            open = open.Add(next, OpenPhase.LookingUp);
            effects.Add(new PipelineEffect.LookUp(new UnitPlace(state.Stage, next)));
        }

        return new PipelineStep(state with { Open = open, Next = next }, effects.ToImmutable());
    }

    private static PipelineStep Retry(PipelineState state, PipelineEvent.AttemptFailed e)
    {
        if (e.Kind == OutcomeKind.Cancelled)
            return new PipelineStep(state, [new PipelineEffect.Offer(e.Unit)]);
        var decision = state.Retry.Decide(e.Failure, e.Counts);
        return decision.Quarantine
            ? GiveUp(state, e.Unit, e.Failure)
            : new PipelineStep(Set(state, e.Unit, OpenPhase.Resting), [new PipelineEffect.Rest(e.Unit, decision.Delay)]);
    }

    /// <summary>Goes back to the producer's stage and folds again from there; what is committed and sound is found, the rest runs.</summary>
    private static PipelineStep Repair(PipelineState state, UnitPlace? producer)
    {
        if (state.Repairs >= MaxRepairs)
        {
            var failure = new Failure("store-damaged", $"Blobs were found damaged {state.Repairs + 1} times; the store cannot be trusted.", Retryable: false);
            return GiveUp(state, producer ?? new UnitPlace(state.Stage, 0), failure);
        }

        var back = Clear(state) with { Repairs = state.Repairs + 1, Stage = producer?.Stage ?? 0 };
        if (producer is not { } unit)
            return new PipelineStep(back with { Status = PipelineStatus.Waiting }, [new PipelineEffect.Withdraw(), new PipelineEffect.AskForGiven()]);
        return Advance(back with { Status = PipelineStatus.Running }, [new PipelineEffect.Withdraw(), new PipelineEffect.Invalidate(unit)]);
    }

    /// <summary>Goes back as for a damaged blob, which it is none of: as often as there are units, a store that keeps nothing aside.</summary>
    private static PipelineStep Regain(PipelineState state, IReadOnlyList<UnitPlace> producers)
    {
        if (state.Regained >= state.Stages.Sum())
            return Repair(state, producers[0]);
        return Advance(
            Clear(state) with { Regained = state.Regained + 1, Stage = producers.Min(p => p.Stage) },
            [new PipelineEffect.Withdraw(), .. producers.Select(p => new PipelineEffect.Invalidate(p))]);
    }

    private static PipelineStep GiveUp(PipelineState state, UnitPlace unit, Failure failure) => new(
        Clear(state) with { Status = PipelineStatus.GivenUp },
        [new PipelineEffect.Withdraw(), new PipelineEffect.GiveUp(unit, failure)]);

    private static PipelineState Clear(PipelineState state) => state with { Open = state.Open.Clear(), Next = 0, Done = 0 };

    private static PipelineState Set(PipelineState state, UnitPlace unit, OpenPhase phase) => state with { Open = state.Open.SetItem(unit.Index, phase) };

    private static bool IsOpen(PipelineState state, UnitPlace unit, OpenPhase? phase = null) =>
        state.Status == PipelineStatus.Running && unit.Stage == state.Stage && state.Open.TryGetValue(unit.Index, out var open) && (phase is null || phase == open);
}
