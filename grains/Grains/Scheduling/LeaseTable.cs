using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Scheduling;

/// <summary>Offered and leased units, and the workers that ask for them. No clock of its own: whoever calls says what time it is.</summary>
internal sealed class LeaseTable(LeaseOptions options)
{
    private readonly Dictionary<(UnitOwner Owner, string Unit), OfferedUnit> _known = [];
    private readonly Dictionary<UnitOwner, HashSet<string>> _byOwner = [];
    private readonly WaitingUnits _waiting = new();
    private readonly SortedDictionary<Epoch, OfferedUnit> _leased = [];
    private readonly PriorityQueue<Epoch, TimeSpan> _ends = new();
    private readonly Dictionary<string, HashSet<Epoch>> _held = new(StringComparer.Ordinal);
    private readonly HashSet<string> _lostSome = new(StringComparer.Ordinal);
    private long _offers;
    private TimeSpan _looked;

    public LiveWorkers Workers { get; } = new(options.Duration);

    public int Leased => _leased.Count;

    /// <summary>Units that wait for a worker.</summary>
    public int Queued => _known.Count - _leased.Count;

    /// <summary>What is leased, oldest lease first.</summary>
    public IEnumerable<OfferedUnit> InWork() => _leased.Values;

    /// <inheritdoc cref="WaitingUnits"/>
    public WaitingUnits Waiting => _waiting;

    public int HeldBy(string worker) => _held.GetValueOrDefault(worker)?.Count ?? 0;

    /// <returns>Null where the lease has ended or belongs to another worker.</returns>
    public UnitOffer? Find(string worker, Epoch epoch) => _leased.TryGetValue(epoch, out var unit) && unit.Worker == worker ? unit.Offer : null;

    /// <returns>Where it waits; null where the same unit is offered or leased already.</returns>
    public Lane? Offer(UnitOffer offer, TimeSpan now)
    {
        var place = (offer.Owner, offer.Unit.Id);
        if (_known.TryGetValue(place, out var known))
        {
            if (known.Offer.Unit.Key == offer.Unit.Key)
                return null;
            Drop(known);
        }

        var unit = new OfferedUnit(offer, ++_offers, now);
        _known[place] = unit;
        if (!_byOwner.TryGetValue(offer.Owner, out var units))
            _byOwner[offer.Owner] = units = [];
        units.Add(offer.Unit.Id);
        return _waiting.Add(unit);
    }

    public void Withdraw(UnitOwner owner)
    {
        foreach (var unit in _byOwner.GetValueOrDefault(owner)?.ToArray() ?? [])
            Drop(_known[(owner, unit)]);
    }

    /// <summary>A worker asks: it is alive, and this is what it could take.</summary>
    public void Ask(LeaseRequest request, TimeSpan now) => Workers.Asked(request, HeldBy(request.Worker) == 0, now);

    /// <summary>Leases the next unit that a worker may run.</summary>
    /// <returns>Null where there is none.</returns>
    public OfferedUnit? Take(LeaseRequest request, Epoch epoch, TimeSpan now)
    {
        if (_waiting.Take(request, Workers, now - options.Patience) is not { } unit)
            return null;
        (unit.Worker, unit.Epoch, unit.Until, unit.Since) = (request.Worker, epoch, now + options.Duration, now);
        _leased[epoch] = unit;
        _ends.Enqueue(epoch, unit.Until);
        if (!_held.TryGetValue(request.Worker, out var held))
            _held[request.Worker] = held = [];
        held.Add(epoch);
        return unit;
    }

    /// <summary>Whether a worker would get a unit of a lane now.</summary>
    public bool IsFor(LeaseRequest request, Lane lane, TimeSpan now) =>
        request.Profiles.Contains(lane.Key.Profile, StringComparer.Ordinal)
        && lane.Admits(request.Worker, MemoryClass.OfFree(request.FreeBytes), Workers, now - options.Patience);

    /// <summary>A worker renews its leases.</summary>
    public void Beat(string worker, TimeSpan now)
    {
        Workers.Heard(worker, now);
        _lostSome.Remove(worker);
    }

    /// <returns>False where the lease has ended or belongs to another worker.</returns>
    public bool Renew(string worker, Epoch epoch, double fraction, TimeSpan now)
    {
        if (!_leased.TryGetValue(epoch, out var unit) || unit.Worker != worker)
            return false;
        (unit.Until, unit.Fraction) = (now + options.Duration, fraction);
        return true;
    }

    /// <summary>Ends a lease.</summary>
    /// <returns>Null where it has ended already.</returns>
    public OfferedUnit? End(Epoch epoch)
    {
        if (!_leased.TryGetValue(epoch, out var unit))
            return null;
        Drop(unit);
        return unit;
    }

    /// <summary>Ends all leases that were not renewed in time, oldest first.</summary>
    public IReadOnlyList<Expired> Expire(TimeSpan now)
    {
        // Whoever slept itself cannot say that others were silent.
        var slept = now - _looked >= options.Duration / 2;
        _looked = now;
        var over = new List<OfferedUnit>();
        while (_ends.TryPeek(out var epoch, out var end) && end <= now)
        {
            _ends.Dequeue();
            if (!_leased.TryGetValue(epoch, out var unit))
                continue;
            if (unit.Until > now)
                _ends.Enqueue(epoch, unit.Until);
            else
                over.Add(unit);
        }

        Expired[] expired = [.. over.OrderBy(u => u.Epoch).Select(u => new Expired(u, IsCrash: !slept && IsAlone(u.Worker!, now)))];
        foreach (var (unit, _) in expired)
        {
            _lostSome.Add(unit.Worker!);
            Drop(unit);
        }

        return expired;
    }

    /// <summary>The worker fell silent, and this lease is all that it had.</summary>
    private bool IsAlone(string worker, TimeSpan now) => Workers.IsSilent(worker, now) && HeldBy(worker) == 1 && !_lostSome.Contains(worker);

    private void Drop(OfferedUnit unit)
    {
        _known.Remove((unit.Offer.Owner, unit.Offer.Unit.Id));
        if (_byOwner.TryGetValue(unit.Offer.Owner, out var units) && units.Remove(unit.Offer.Unit.Id) && units.Count == 0)
            _byOwner.Remove(unit.Offer.Owner);
        if (unit.Queue is not null)
            _waiting.Drop(unit);
        if (unit.Worker is not { } worker || !_leased.Remove(unit.Epoch))
            return;
        if (_held.TryGetValue(worker, out var held) && held.Remove(unit.Epoch) && held.Count == 0)
            _held.Remove(worker);
    }

    /// <param name="IsCrash">See <see cref="AttemptEnd.IsCrash"/>.</param>
    public readonly record struct Expired(OfferedUnit Unit, bool IsCrash);
}
