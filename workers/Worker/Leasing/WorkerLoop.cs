using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>A worker: its slots lease units, run them and report; one heartbeat renews all leases. Knows no jobs beyond the units it holds and writes no commits.</summary>
public sealed class WorkerLoop(ISchedulerGrain scheduler, IUnitRunner runner, TensorBlobs blobs, WorkerOptions options, TimeProvider clock)
{
    private readonly BlobCache _cache = new(blobs, options.CacheBytes);
    private readonly ConcurrentDictionary<Epoch, HeldLease> _held = [];

    /// <summary>Works until cancelled; then hands back what is under way and returns.</summary>
    public async Task RunAsync(CancellationToken cancellationToken)
    {
        using var over = new CancellationTokenSource();
        var heartbeats = HeartbeatAsync(over.Token);
        try
        {
            // A slot that fails takes the others down with it, or the job would wait for it for ever.
            using var any = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken);
            await Task.WhenAll(Enumerable.Range(0, options.Slots).Select(slot => Task.Run(() => SlotAsync(slot, any), CancellationToken.None)));
        }
        finally
        {
            await over.CancelAsync();
            await heartbeats;
        }
    }

    private async Task SlotAsync(int slot, CancellationTokenSource drain)
    {
        using var thread = new SlotThread($"slot-{slot}");
        try
        {
            while (!drain.IsCancellationRequested)
            {
                var asked = clock.GetTimestamp();
                var leases = await scheduler.LeaseAsync(new LeaseRequest(options.Name, options.Profile, 1), drain.Token);
                foreach (var lease in leases)
                    await AttemptAsync(thread, lease, asked, drain.Token);
            }
        }
        catch (OperationCanceledException) when (drain.IsCancellationRequested)
        {
            // Asked to stop while waiting for work.
        }
        catch
        {
            await drain.CancelAsync();
            throw;
        }
    }

    private async Task AttemptAsync(SlotThread thread, Lease lease, long asked, CancellationToken drain)
    {
        using var held = new HeldLease(lease, asked, options.SkewMargin, clock, drain);
        held.Context = new UnitContext(_cache, blobs, lease.OutputPrefix);
        _held[lease.Epoch] = held;
        try
        {
            var outcome = await thread.RunAsync(() => RunAsync(held, drain));
            if (!held.IsLost)
                await scheduler.CompleteAsync(lease.Epoch, outcome, CancellationToken.None);
        }
        finally
        {
            _held.TryRemove(lease.Epoch, out _);
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
