using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>A worker: its slots lease units, run them and report; one heartbeat renews all leases. Knows no jobs beyond the units it holds and writes no commits.</summary>
/// <param name="scheduler">A call that fails with <see cref="IOException"/> was not answered and is made again after a while.</param>
/// <param name="slots">Opens what a slot computes on.</param>
public sealed class WorkerLoop(IWorkerScheduler scheduler, IUnitRunner runner, TensorBlobs blobs, WorkerOptions options, TimeProvider clock, Func<int, ISlot> slots)
{
    /// <summary>Wait before a coordinator that did not answer is asked again.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    private readonly BlobCache _cache = new(blobs, options.CacheBytes);
    private readonly ConcurrentDictionary<Epoch, HeldLease> _held = [];

    public WorkerLoop(IWorkerScheduler scheduler, IUnitRunner runner, TensorBlobs blobs, WorkerOptions options, TimeProvider clock)
        : this(scheduler, runner, blobs, options, clock, slot => new SlotThread($"slot-{slot}"))
    {
    }

    /// <summary>Works until cancelled; then hands back what is under way and returns.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var over = new CancellationTokenSource();
        using var files = new BlobFiles(blobs);
        var heartbeats = HeartbeatAsync(over.Token);
        try
        {
            // A slot that fails takes the others down with it, or the job would wait for it for ever.
            using var any = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAll(Enumerable.Range(0, options.Slots).Select(slot => SlotAsync(slot, files, any)));
        }
        finally
        {
            Cancel(over);
            await heartbeats;
        }
    }

    private async Task SlotAsync(int slot, BlobFiles files, CancellationTokenSource drain)
    {
        using var thread = slots(slot);
        try
        {
            while (!drain.IsCancellationRequested)
            {
                var asked = clock.GetTimestamp();
                foreach (var lease in await LeaseAsync(drain.Token))
                    await AttemptAsync(thread, files, lease, asked, drain.Token);
            }
        }
        catch (OperationCanceledException) when (drain.IsCancellationRequested)
        {
            // Asked to stop while waiting for work.
        }
        catch
        {
            Cancel(drain);
            throw;
        }
    }

    private async Task<IReadOnlyList<Lease>> LeaseAsync(CancellationToken drain)
    {
        try
        {
            return await scheduler.LeaseAsync(new LeaseRequest(options.Name, [options.Profile], 1), drain);
        }
        catch (IOException)
        {
            await Task.Delay(s_patience, clock, drain);
            return [];
        }
    }

    private async Task AttemptAsync(ISlot thread, BlobFiles files, Lease lease, long asked, CancellationToken drain)
    {
        using var held = new HeldLease(lease, asked, options.SkewMargin, clock, drain);
        held.Context = new UnitContext(_cache, files, blobs, lease.OutputPrefix);
        _held[lease.Epoch] = held;
        try
        {
            var outcome = await thread.RunAsync(() => RunAsync(held, drain));
            await CompleteAsync(held, outcome);
        }
        finally
        {
            _held.TryRemove(lease.Epoch, out _);
        }
    }

    /// <summary>Tells until it is heard or the lease is over: told twice, the second time is refused.</summary>
    private async Task CompleteAsync(HeldLease held, Outcome outcome)
    {
        while (!held.IsLost)
        {
            try
            {
                await scheduler.CompleteAsync(held.Lease.Epoch, outcome, CancellationToken.None);
                return;
            }
            catch (IOException)
            {
                await Task.Delay(s_patience, clock, CancellationToken.None);
            }
        }
    }

    private async Task<Outcome> RunAsync(HeldLease held, CancellationToken drain)
    {
        var started = clock.GetTimestamp();
        try
        {
            var metrics = await runner.RunAsync(held.Lease.Unit, held.Context!, held.Token);
            return Outcome.Completed(held.Context!.Outputs, metrics with { Seconds = clock.GetElapsedTime(started).TotalSeconds });
        }
        catch (Exception) when (held.Token.IsCancellationRequested)
        {
            // Whatever it threw, it threw because it was stopped.
            return Outcome.Cancelled(drain.IsCancellationRequested ? "The worker stops." : "The lease is over.");
        }
        catch (Exception cause)
        {
            return AttemptOutcome.FromException(cause);
        }
    }

    /// <summary>On this thread, so that nothing runs beside the caller; the asynchronous form would go to the pool.</summary>
    private static void Cancel(CancellationTokenSource source) => source.Cancel();

    private async Task HeartbeatAsync(CancellationToken cancellationToken)
    {
        using var timer = new PeriodicTimer(options.HeartbeatEvery, clock);
        try
        {
            while (await timer.WaitForNextTickAsync(cancellationToken))
                await RenewAsync(cancellationToken);
        }
        catch (OperationCanceledException) when (cancellationToken.IsCancellationRequested)
        {
            // The loop is over.
        }
    }

    private async Task RenewAsync(CancellationToken cancellationToken)
    {
        var held = _held.Values.ToArray();
        if (held.Length == 0)
            return;
        var asked = clock.GetTimestamp();
        IReadOnlyList<Epoch> renewed;
        try
        {
            renewed = await scheduler.HeartbeatAsync(
                new Heartbeat(options.Name, [.. held.Select(h => new AttemptProgress(h.Lease.Epoch, h.Context!.Fraction))]), cancellationToken);
        }
        catch (Exception) when (!cancellationToken.IsCancellationRequested)
        {
            // Not renewed is not lost: the fence of each lease decides.
            return;
        }

        foreach (var lease in held)
        {
            if (renewed.Contains(lease.Lease.Epoch))
                lease.Renew(asked);
            else
                lease.Lose();
        }
    }
}
