using System.Collections.Concurrent;
using System.Diagnostics;
using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Caching;

namespace Orchestrator.Worker.Leasing;

/// <summary>A worker: its slots lease units, run them and report; one heartbeat renews all leases. Knows no jobs beyond the units it holds and writes no commits.</summary>
/// <param name="scheduler">A call that fails with <see cref="IOException"/> was not answered and is made again after a while.</param>
public sealed class WorkerLoop(IWorkerScheduler scheduler, IUnitRunner runner, TensorBlobs blobs, WorkerOptions options, TimeProvider clock, WorkerMeans means)
{
    /// <summary>Wait before a coordinator that did not answer is asked again.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(1);

    /// <summary>How often an end is told after the worker was asked to stop now.</summary>
    private const int LastWords = 3;

    /// <summary>How often a worker whose disk is full looks whether there is room again, and how often at most before it takes units anyway.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(5);

    private const int MostRests = 60;

    private readonly InputBlobs _inputs = new(options.CacheBytes, means.Cache);
    private readonly Lock _lock = new();
    private readonly ConcurrentDictionary<Epoch, HeldLease> _held = [];
    private readonly AloneGate _gate = new();
    private HashSet<string> _tenants = [];

    public WorkerLoop(IWorkerScheduler scheduler, IUnitRunner runner, TensorBlobs blobs, WorkerOptions options, TimeProvider clock)
        : this(scheduler, runner, blobs, options, clock, new WorkerMeans())
    {
    }

    /// <summary>Bytes of input blobs that came from the store.</summary>
    public long BytesRead => _inputs.BytesRead;

    /// <summary>Works until cancelled; then hands back what is under way and returns.</summary>
    public Task RunAsync(CancellationToken cancellationToken) => RunAsync(cancellationToken, cancellationToken);

    /// <summary>Works until asked to drain; then takes no more units, ends those under way and returns.</summary>
    /// <param name="handBack">Units under way are handed back instead.</param>
    public async Task RunAsync(CancellationToken drain, CancellationToken handBack)
    {
        using var over = new CancellationTokenSource();
        var heartbeats = HeartbeatAsync(over.Token);
        try
        {
            // A slot that fails takes the others down with it, or the job would wait for it for ever.
            using var stop = CancellationTokenSource.CreateLinkedTokenSource(handBack);
            using var idle = CancellationTokenSource.CreateLinkedTokenSource(drain, stop.Token);
            await Task.WhenAll(Enumerable.Range(0, options.Slots).Select(slot => SlotAsync(slot, stop, idle.Token)));
        }
        finally
        {
            Cancel(over);
            await heartbeats;
            _inputs.Close();
        }
    }

    private async Task SlotAsync(int number, CancellationTokenSource stop, CancellationToken drain)
    {
        using var slot = means.Slots?.Invoke(number) ?? new SlotThread($"slot-{number}");
        try
        {
            while (!drain.IsCancellationRequested)
            {
                var asked = clock.GetTimestamp();
                var leases = await LeaseAsync(drain);
                KeepOnlyTenantsOf(leases);
                foreach (var lease in leases)
                {
                    var outcome = await AttemptAsync(slot, lease, asked, stop.Token);
                    if (means.Cache is not null && AttemptOutcome.IsDiskFull(outcome))
                        await RestAsync(lease.Unit, drain);
                }
            }
        }
        catch (OperationCanceledException) when (drain.IsCancellationRequested)
        {
            // Asked to stop while waiting for work.
        }
        catch
        {
            Cancel(stop);
            throw;
        }
    }

    private async Task<IReadOnlyList<Lease>> LeaseAsync(CancellationToken drain)
    {
        try
        {
            return await scheduler.LeaseAsync(new LeaseRequest(options.Name, options.Profiles, 1) { FreeBytes = means.FreeBytes() }, drain);
        }
        catch (IOException lost)
        {
            means.Observer?.Noted("server-lost", lost.Message);
            await Task.Delay(s_patience, clock, drain);
            return [];
        }
    }

    private async Task<Outcome> AttemptAsync(ISlot slot, Lease lease, long asked, CancellationToken stop)
    {
        using var held = new HeldLease(lease, asked, options.SkewMargin, clock, stop);
        _held[lease.Epoch] = held;
        means.Observer?.Started(lease);
        var started = clock.GetTimestamp();
        try
        {
            var outcome = await RunAsync(held, slot, stop) with { Trace = Activity.Current?.Id };
            var isTold = await CompleteAsync(held, outcome, stop);
            means.Observer?.Ended(lease, outcome, clock.GetElapsedTime(started), isTold);
            return outcome;
        }
        finally
        {
            _held.TryRemove(lease.Epoch, out _);
        }
    }

    private Task<Outcome> RunAsync(HeldLease held, ISlot slot, CancellationToken stop)
    {
        var lease = held.Lease;
        if (_inputs.Lacking(lease.Unit) is > 0 and var lacking)
        {
            var full = new DiskFullException($"The inputs of unit '{lease.Unit.Id}' need {lacking} bytes more than '{means.Cache!.Folder}' has room for.");
            return Task.FromResult(AttemptOutcome.FromException(full));
        }

        var view = means.BlobsOf?.Invoke(lease) ?? blobs;
        return new UnitAttempt(runner, _gate, Reclaim, means.Observer, clock).RunAsync(held, slot, () => new UnitContext(_inputs, view, view.StatesOf(BlobNames.TenantOf(lease.OutputPrefix), lease.Unit), lease.OutputPrefix), stop);
    }

    /// <summary>Asks for nothing until what did not fit would: the coordinator has given it to another worker meanwhile.</summary>
    private async Task RestAsync(WorkUnit unit, CancellationToken drain)
    {
        means.Observer?.Noted(AttemptOutcome.DiskFull, $"'{means.Cache!.Folder}' is full: a slot takes no units until there is room.");
        for (var rests = 0; rests < MostRests; rests++)
        {
            await Task.Delay(s_rest, clock, drain);
            if (_inputs.Lacking(unit) == 0)
                break;
        }
    }

    /// <summary>What belongs to a tenant goes when no unit of the tenant is here any more.</summary>
    private void KeepOnlyTenantsOf(IReadOnlyList<Lease> taken)
    {
        lock (_lock)
        {
            var here = _held.Values.Select(held => held.Lease).Concat(taken).Select(lease => BlobNames.TenantOf(lease.OutputPrefix)).ToHashSet();
            if (!_tenants.IsSubsetOf(here))
            {
                (runner as IReclaimable)?.Reclaim();
                _inputs.KeepOnly(here);
            }

            _tenants = here;
        }
    }

    /// <summary>Tells until it is heard or the lease is over: told twice, the second time is refused.</summary>
    private async Task<bool> CompleteAsync(HeldLease held, Outcome outcome, CancellationToken stop)
    {
        for (var told = 1; !held.IsLost && (told <= LastWords || !stop.IsCancellationRequested); told++)
        {
            try
            {
                return await scheduler.CompleteAsync(held.Lease.Epoch, outcome, held.End);
            }
            catch (IOException)
            {
                await WaitAsync(held.End);
            }
            catch (OperationCanceledException) when (held.IsLost)
            {
                return false;
            }
        }

        return false;
    }

    private async Task WaitAsync(CancellationToken end)
    {
        try
        {
            await Task.Delay(s_patience, clock, end);
        }
        catch (OperationCanceledException)
        {
            // The lease is over; whoever waits sees it.
        }
    }

    private void Reclaim()
    {
        (runner as IReclaimable)?.Reclaim();
        _inputs.Reclaim();
        // What was let go of is given back before the unit that needs it runs.
        GC.Collect();
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
                new Heartbeat(options.Name, [.. held.Select(h => new AttemptProgress(h.Lease.Epoch, h.Context?.Fraction ?? 0))]), cancellationToken);
        }
        catch (Exception)
        {
            // Not renewed is not lost: the fence of each lease decides. At the end of the loop least of all.
            return;
        }

        var kept = renewed.ToHashSet();
        foreach (var lease in held)
        {
            if (kept.Contains(lease.Lease.Epoch))
                lease.Renew(asked);
            else
                lease.Lose();
        }
    }
}
