using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains;

/// <summary>
/// Leases units out. Holds nothing that has to survive: owners offer again after a restart, and the term, raised once per activation,
/// makes every lease of an earlier activation stale. Calls no grain and waits for none, so owners may wait for it.
/// </summary>
public sealed partial class SchedulerGrain(IGrainHost host, LeaseOptions options, GrainTelemetry? telemetry = null) : ISchedulerGrain, IActivatedGrain
{
    private readonly GrainInstruments? _instruments = telemetry?.Instruments;
    private readonly ILogger _logger = (telemetry ?? GrainTelemetry.None).Logs.CreateLogger<SchedulerGrain>();
    private readonly LeaseTable _table = new(options);
    private readonly Dictionary<UnitOwner, Outbox> _outboxes = [];
    private readonly PendingRequests _pending = new();
    private readonly long _activated = host.Clock.GetTimestamp();
    private long _term;
    private long _counter;

    public async Task ActivateAsync(CancellationToken cancellationToken)
    {
        // At least the clock's seconds: should the state ever be lost, terms still do not repeat.
        var now = host.Clock.GetUtcNow().ToUnixTimeSeconds();
        var state = await host.UpdateStateAsync<SchedulerState>(old => new SchedulerState(Math.Max((old?.Term ?? 0) + 1, now)), cancellationToken);
        _term = state.Term;
        LogActivated(_term);
        host.StartTimer(options.Tick, options.Tick, TickAsync);
    }

    public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken)
    {
        var waiting = _pending.Count(offers.Select(o => o.Unit.Profile).ToHashSet(StringComparer.Ordinal));
        foreach (var offer in offers)
        {
            if (_table.Offer(offer, Now()) is { } lane)
                Wake(lane);
        }

        return Task.FromResult(waiting);
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
        var asked = Now();
        _table.Ask(request, asked);
        var leases = Take(request, TimeSpan.Zero);
        if (leases.Count > 0)
            return leases;
        using var pending = _pending.Add(request);
        using var patience = host.StartTimer(options.LongPoll, null, () =>
        {
            pending.Wake();
            return Task.CompletedTask;
        });
        using var cancelled = cancellationToken.Register(() => pending.Cancel(cancellationToken));
        await pending.Woken;
        return Take(request, Now() - asked);
    }

    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken)
    {
        // A coordinator that slept must not bring leases back that ended meanwhile.
        Expire();
        _table.Beat(heartbeat.Worker, Now());
        Epoch[] renewed = [.. heartbeat.Attempts.Where(a => _table.Renew(heartbeat.Worker, a.Epoch, a.Fraction, Now())).Select(a => a.Epoch)];
        return Task.FromResult<IReadOnlyList<Epoch>>(renewed);
    }

    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
    {
        // The tick may be late; a lease that is over is over.
        Expire();
        if (_table.End(epoch) is not { } unit)
        {
            _instruments?.AttemptFenced();
            LogFenced(epoch.Attempt, outcome.Kind);
            return Task.FromResult(false);
        }

        _table.Beat(unit.Worker!, Now());
        Deliver(unit, outcome, isCrash: false);
        return Task.FromResult(true);
    }

    public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken)
    {
        Expire();
        _table.Workers.Forget(Now());
        var reasons = new WaitReasons(_table.Workers);
        var leased = _table.InWork().Where(Asked).ToArray();
        var units = leased.Concat(_table.Waiting.InOrder(question.Tenant, question.Job)).Take(question.Most).Select(unit => View(unit, reasons));
        return Task.FromResult(new ScheduleStanding(
            leased.Length, _table.Waiting.Count(question.Tenant, question.Job), [.. units], _table.Workers.Stand(_table.HeldBy, Now())));

        bool Asked(OfferedUnit unit) => (question.Tenant ?? unit.Offer.Tenant) == unit.Offer.Tenant && (question.Job ?? unit.Offer.Job) == unit.Offer.Job;
    }

    public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken)
    {
        Expire();
        return Task.FromResult(_table.Find(worker, epoch) is { } offer ? LeaseOf(offer, epoch) : null);
    }

    private Lease LeaseOf(UnitOffer offer, Epoch epoch) => new(offer.Unit, epoch, BlobNames.OutputPrefix(offer.Tenant, offer.Unit.Key, epoch), options.Duration) { Trace = offer.Trace };

    private ScheduledUnit View(OfferedUnit unit, WaitReasons reasons) => new(
        unit.Offer.Tenant, unit.Offer.Job, unit.Offer.Unit.Id, unit.Offer.Unit.Profile,
        unit.Worker is null ? null : new LeaseStanding(unit.Worker, unit.Epoch, unit.Fraction, Now() - unit.Since),
        unit.Worker is null ? reasons.Of(unit.Offer) : null);

    private List<Lease> Take(LeaseRequest request, TimeSpan polled)
    {
        var leases = new List<Lease>();
        while (leases.Count < request.Max)
        {
            var epoch = new Epoch(_term, _counter + 1);
            if (_table.Take(request, epoch, Now()) is not { } unit)
                break;
            _counter++;
            _instruments?.UnitLeased(unit.Offer.Unit.Kind, unit.Since - unit.Offered);
            leases.Add(LeaseOf(unit.Offer, epoch) with { Waited = polled });
        }

        return leases;
    }

    private Task TickAsync()
    {
        Expire();
        _instruments?.Standing(_table.Queued, _table.Leased);
        _table.Workers.Forget(Now());
        foreach (var (owner, late) in _outboxes.Where(o => Now() - o.Value.Told >= options.Redelivery).ToArray())
            Send(owner, late);
        // Whom others came before may have become the best there is.
        foreach (var lane in _table.Waiting.Choosy)
            Wake(lane);
        return Task.CompletedTask;
    }

    private void Wake(Lane lane) => _pending.Wake(request => _table.IsFor(request, lane, Now()));

    private void Expire()
    {
        foreach (var (unit, isCrash) in _table.Expire(Now()))
        {
            LogLost(unit.Worker!, unit.Offer.Tenant, unit.Offer.Job, unit.Offer.Unit.Id, unit.Epoch.Attempt);
            Deliver(unit, Outcome.Lost(unit.Worker!), isCrash);
        }
    }

    /// <summary>Tells the owner at once where it is idle; otherwise with all that ends until it has dealt with what it was told.</summary>
    private void Deliver(OfferedUnit unit, Outcome outcome, bool isCrash)
    {
        _instruments?.AttemptEnded(unit.Offer.Unit.Kind, outcome.Kind, Now() - unit.Since);
        // The grain, not its part: what keeps the grain busy keeps all its parts waiting.
        var to = unit.Offer.Owner with { Part = "" };
        if (!_outboxes.TryGetValue(to, out var outbox))
            _outboxes[to] = outbox = new Outbox();
        outbox.Add(new AttemptEnd(unit.Offer.Owner, unit.Offer.Unit, unit.Epoch, unit.Worker!, outcome)
        {
            IsCrash = isCrash,
            HadNoOther = outcome.Failure is not null && !_table.Workers.CanAnyTake(unit.Offer.Unit.Profile, MemoryClass.OfNeed(unit.Offer.MemoryBytes), new HashSet<string>([unit.Worker!])),
            FreeBytes = _table.Workers.FreeBytesOf(unit.Worker!),
        });
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
