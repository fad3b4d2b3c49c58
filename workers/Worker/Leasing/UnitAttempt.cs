using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>Runs the unit of a held lease to an outcome. Where memory runs out it tries once more: alone on the machine, without caches, and with a smaller batch where that changes nothing.</summary>
/// <param name="reclaim">Lets go of everything that is kept for speed.</param>
internal sealed class UnitAttempt(IUnitRunner runner, AloneGate gate, Action reclaim, IWorkerObserver? observer, TimeProvider clock)
{
    /// <param name="open">A fresh view of the store for each try.</param>
    /// <param name="handBack">Cancelled when the worker wants to stop now.</param>
    public async Task<Outcome> RunAsync(HeldLease held, ISlot slot, Func<UnitContext> open, CancellationToken handBack)
    {
        var unit = held.Lease.Unit;
        var outcome = await TryAsync(held, unit, slot, open, alone: false, handBack);
        if (!AttemptOutcome.IsOutOfMemory(outcome) || held.Token.IsCancellationRequested)
            return outcome;

        var smaller = SmallerUnit.Of(unit);
        observer?.Noted(AttemptOutcome.OutOfMemory, $"unit {unit.Id}: {outcome.Failure!.Message.TrimEnd('.')}. It is tried once more, alone{(smaller is null ? "" : " and with half the batch")}.");
        var again = await TryAsync(held, smaller ?? unit, slot, open, alone: true, handBack);
        // A batch of another size may fail for a reason of its own; memory is what the unit lacked.
        return again.Kind is OutcomeKind.Completed or OutcomeKind.Cancelled || smaller is null ? again : outcome;
    }

    private async Task<Outcome> TryAsync(HeldLease held, WorkUnit unit, ISlot slot, Func<UnitContext> open, bool alone, CancellationToken handBack)
    {
        try
        {
            await gate.EnterAsync(alone, held.Token);
        }
        catch (OperationCanceledException)
        {
            return Stopped(handBack);
        }

        try
        {
            if (alone)
                reclaim();
            using var context = open();
            held.Context = context;
            return await slot.RunAsync(() => RunAsync(held, unit, context, handBack));
        }
        finally
        {
            gate.Leave();
        }
    }

    private async Task<Outcome> RunAsync(HeldLease held, WorkUnit unit, UnitContext context, CancellationToken handBack)
    {
        var started = clock.GetTimestamp();
        try
        {
            var metrics = await runner.RunAsync(unit, context, held.Token);
            return Outcome.Completed(context.Outputs, metrics with { Seconds = clock.GetElapsedTime(started).TotalSeconds });
        }
        catch (Exception) when (held.Token.IsCancellationRequested)
        {
            // Whatever it threw, it threw because it was stopped.
            return Stopped(handBack);
        }
        catch (Exception cause)
        {
            return AttemptOutcome.FromException(cause);
        }
    }

    private static Outcome Stopped(CancellationToken handBack) => Outcome.Cancelled(handBack.IsCancellationRequested ? "The worker stops." : "The lease is over.");
}
