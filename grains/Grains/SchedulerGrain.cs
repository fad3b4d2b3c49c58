using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains;

/// <summary>
/// Leases units out. Holds nothing that has to survive: owners offer again after a restart, and the term, raised once per activation,
/// makes every lease of an earlier activation stale. Calls no grain and waits for none, so owners may wait for it.
/// </summary>
public sealed class SchedulerGrain(IGrainHost host, LeaseOptions options) : ISchedulerGrain, IActivatedGrain
{
    private readonly LeaseTable _table = new();
    private readonly Dictionary<UnitOwner, Outbox> _outboxes = [];
    private readonly Queue<TaskCompletionSource> _waiting = [];
    private readonly long _activated = host.Clock.GetTimestamp();
    private long _term;
    private long _counter;

    public async Task ActivateAsync(CancellationToken cancellationToken)
    {
        // At least the clock's seconds: should the state ever be lost, terms still do not repeat.
        var now = host.Clock.GetUtcNow().ToUnixTimeSeconds();
        var state = await host.UpdateStateAsync<SchedulerState>(old => new SchedulerState(Math.Max((old?.Term ?? 0) + 1, now)), cancellationToken);
        _term = state.Term;
        host.StartTimer(options.Tick, options.Tick, TickAsync);
    }

    public Task OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken)
    {
        foreach (var offer in offers)
        {
            if (_table.Offer(offer) && _waiting.TryDequeue(out var waiting))
                waiting.TrySetResult();
        }

        return Task.CompletedTask;
    }

    public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken)
    {
        _table.Withdraw(owner);
        return Task.CompletedTask;
    }

    public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken)
    {
        var dealtWith = epochs.ToHashSet();
        foreach (var (owner, outbox) in _outboxes.Where(o => o.Value.Acknowledge(dealtWith)).ToArray())
        {
            if (outbox.IsEmpty)
                _outboxes.Remove(owner);
            else if (!outbox.IsUnderWay)
                Send(owner, outbox);
        }

        return Task.CompletedTask;
    }

    public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
    {
        var leases = Take(request);
        if (leases.Count > 0)
            return leases;
        var waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
        _waiting.Enqueue(waiting);
        using var patience = host.StartTimer(options.LongPoll, null, () =>
        {
            waiting.TrySetResult();
            return Task.CompletedTask;
        });
        using var cancelled = cancellationToken.Register(() => waiting.TrySetCanceled(cancellationToken));
        await waiting.Task;
        return Take(request);
    }

    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken)
    {
        // A coordinator that slept must not bring leases back that ended meanwhile.
        Expire();
        var until = Now() + options.Duration;
        Epoch[] renewed = [.. heartbeat.Attempts.Select(a => a.Epoch).Where(epoch => _table.Renew(heartbeat.Worker, epoch, until))];
        return Task.FromResult<IReadOnlyList<Epoch>>(renewed);
    }

    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
    {
        // The tick may be late; a lease that is over is over.
        Expire();
        if (_table.End(epoch) is not { } offer)
            return Task.FromResult(false);
        Deliver(offer, epoch, outcome);
        return Task.FromResult(true);
    }

    private List<Lease> Take(LeaseRequest request)
    {
        var leases = new List<Lease>();
        while (leases.Count < request.Max)
        {
            var epoch = new Epoch(_term, _counter + 1);
            if (_table.Take(request.Worker, request.Profiles, epoch, Now() + options.Duration) is not { } offer)
                break;
            _counter++;
            leases.Add(new Lease(offer.Unit, epoch, BlobNames.OutputPrefix(offer.Tenant, offer.Unit.Key, epoch), options.Duration));
        }

        return leases;
    }

    private Task TickAsync()
    {
        Expire();
        foreach (var (owner, late) in _outboxes.Where(o => Now() - o.Value.Told >= options.Redelivery).ToArray())
            Send(owner, late);
        return Task.CompletedTask;
    }

    private void Expire()
    {
        foreach (var lease in _table.Expire(Now()))
            Deliver(lease.Offer, lease.Epoch, Outcome.Lost(lease.Worker));
    }

    /// <summary>Tells the owner at once where it is idle; otherwise with all that ends until it has dealt with what it was told.</summary>
    private void Deliver(UnitOffer offer, Epoch epoch, Outcome outcome)
    {
        // The grain, not its part: what keeps the grain busy keeps all its parts waiting.
        var to = offer.Owner with { Part = "" };
        if (!_outboxes.TryGetValue(to, out var outbox))
            _outboxes[to] = outbox = new Outbox();
        outbox.Add(new AttemptEnd(offer.Owner, offer.Unit, epoch, outcome));
        if (!outbox.IsUnderWay)
            Send(to, outbox);
    }

    private void Send(UnitOwner to, Outbox outbox)
    {
        IUnitOwnerGrain owner = to.Kind == OwnerKind.Model ? host.Peer<IModelGrain>(to.Key) : host.Peer<ILayerGrain>(to.Key);
        var ended = outbox.Take(Now());
        host.Post(() => owner.AttemptsEndedAsync(ended, host.Stopping));
    }

    private TimeSpan Now() => host.Clock.GetElapsedTime(_activated);

    private sealed record SchedulerState(long Term);
}
