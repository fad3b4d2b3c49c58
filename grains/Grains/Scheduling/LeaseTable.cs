using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Scheduling;

/// <summary>
/// Offered and leased units. Jobs take turns, a unit at a time; within a job first come, first served. No clock of its own: whoever
/// calls says what time it is.
/// </summary>
internal sealed class LeaseTable
{
    private readonly Dictionary<(UnitOwner Owner, string Unit), Entry> _known = [];
    private readonly Dictionary<UnitOwner, HashSet<string>> _byOwner = [];
    private readonly Dictionary<string, Queue<Entry>> _queues = new(StringComparer.Ordinal);
    private readonly LinkedList<string> _turns = [];
    private readonly SortedDictionary<Epoch, Entry> _leased = [];

    public int Leased => _leased.Count;

    /// <summary>Units that wait for a worker.</summary>
    public int Queued => _known.Count - _leased.Count;

    /// <summary>What is leased, oldest lease first.</summary>
    public IEnumerable<Standing> InWork() => _leased.Select(l => l.Value.Stand());

    /// <summary>What waits of all jobs, in the order in which each job's units will be leased.</summary>
    public IEnumerable<Standing> Waiting() => _turns.SelectMany(turn => _queues[turn]).Where(entry => !entry.IsDropped).Select(entry => entry.Stand());

    /// <returns>Null where the lease has ended or belongs to another worker.</returns>
    public UnitOffer? Find(string worker, Epoch epoch) => _leased.TryGetValue(epoch, out var entry) && entry.Worker == worker ? entry.Offer : null;

    /// <returns>False where the same unit is offered or leased already.</returns>
    public bool Offer(UnitOffer offer, TimeSpan now)
    {
        var place = (offer.Owner, offer.Unit.Id);
        if (_known.TryGetValue(place, out var known))
        {
            if (known.Offer.Unit.Key == offer.Unit.Key)
                return false;
            Drop(known);
        }

        var entry = new Entry(offer) { Since = now };
        _known[place] = entry;
        if (!_byOwner.TryGetValue(offer.Owner, out var units))
            _byOwner[offer.Owner] = units = [];
        units.Add(offer.Unit.Id);
        if (!_queues.TryGetValue(JobOf(offer), out var queue))
        {
            _queues[JobOf(offer)] = queue = [];
            _turns.AddLast(JobOf(offer));
        }

        queue.Enqueue(entry);
        return true;
    }

    public void Withdraw(UnitOwner owner)
    {
        foreach (var unit in _byOwner.GetValueOrDefault(owner)?.ToArray() ?? [])
            Drop(_known[(owner, unit)]);
    }

    /// <summary>Leases the next unit that a worker of these profiles may run.</summary>
    /// <param name="waited">Since it was offered.</param>
    /// <returns>Null where there is none.</returns>
    public UnitOffer? Take(string worker, IReadOnlyList<string> profiles, Epoch epoch, TimeSpan now, TimeSpan until, out TimeSpan waited)
    {
        for (var turn = _turns.First; turn is not null;)
        {
            var next = turn.Next;
            var queue = _queues[turn.Value];
            while (queue.TryPeek(out var stale) && stale.IsDropped)
                queue.Dequeue();
            if (queue.Count == 0)
            {
                _queues.Remove(turn.Value);
                _turns.Remove(turn);
            }
            else if (profiles.Contains(queue.Peek().Offer.Unit.Profile))
            {
                // A job is pinned to one profile, so its first unit speaks for all.
                _turns.Remove(turn);
                _turns.AddLast(turn);
                var entry = queue.Dequeue();
                waited = now - entry.Since;
                (entry.Worker, entry.Epoch, entry.Until, entry.Since) = (worker, epoch, until, now);
                _leased[epoch] = entry;
                return entry.Offer;
            }

            turn = next;
        }

        waited = default;
        return null;
    }

    /// <returns>False where the lease has ended or belongs to another worker.</returns>
    public bool Renew(string worker, Epoch epoch, double fraction, TimeSpan until)
    {
        if (!_leased.TryGetValue(epoch, out var entry) || entry.Worker != worker)
            return false;
        (entry.Until, entry.Fraction) = (until, fraction);
        return true;
    }

    /// <summary>Ends a lease.</summary>
    /// <returns>Null where it has ended already.</returns>
    public Standing? End(Epoch epoch)
    {
        if (!_leased.TryGetValue(epoch, out var entry))
            return null;
        Drop(entry);
        return entry.Stand();
    }

    /// <summary>Ends all leases that were not renewed in time, oldest first.</summary>
    public IReadOnlyList<Standing> Expire(TimeSpan now)
    {
        Standing[] expired = [.. _leased.Where(l => l.Value.Until <= now).Select(l => l.Value.Stand())];
        foreach (var lease in expired)
            End(lease.Epoch);
        return expired;
    }

    private void Drop(Entry entry)
    {
        entry.IsDropped = true;
        _known.Remove((entry.Offer.Owner, entry.Offer.Unit.Id));
        if (_byOwner.TryGetValue(entry.Offer.Owner, out var units) && units.Remove(entry.Offer.Unit.Id) && units.Count == 0)
            _byOwner.Remove(entry.Offer.Owner);
        if (entry.Worker is not null)
            _leased.Remove(entry.Epoch);
    }

    /// <summary>Tenants may have equal jobs.</summary>
    private static string JobOf(UnitOffer offer) => $"{offer.Tenant}/{offer.Job}";

    /// <param name="Worker">Null while it waits; the rest says nothing then.</param>
    /// <param name="Since">When it was leased; while it waits, when it was offered.</param>
    public readonly record struct Standing(UnitOffer Offer, string? Worker, Epoch Epoch, double Fraction, TimeSpan Since);

    private sealed class Entry(UnitOffer offer)
    {
        public UnitOffer Offer { get; } = offer;

        /// <summary>Still in a queue, to be passed over.</summary>
        public bool IsDropped { get; set; }

        /// <summary>Null while it waits.</summary>
        public string? Worker { get; set; }

        public Epoch Epoch { get; set; }

        public TimeSpan Until { get; set; }

        public TimeSpan Since { get; set; }

        public double Fraction { get; set; }

        public Standing Stand() => new(Offer, Worker, Epoch, Fraction, Since);
    }
}
