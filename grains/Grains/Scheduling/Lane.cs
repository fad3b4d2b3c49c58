using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Scheduling;

/// <summary>What decides who may take a unit: units of equal keys wait in one lane.</summary>
/// <param name="Memory">Class of what the unit needs.</param>
/// <param name="Wanted">Class of what a worker should have that gets it first.</param>
/// <param name="Avoid">Names of workers that should not get it, one a line.</param>
internal readonly record struct LaneKey(string Profile, int Memory, int Wanted, string Avoid)
{
    public static LaneKey Of(UnitOffer offer) => new(
        offer.Unit.Profile, MemoryClass.OfNeed(offer.MemoryBytes), MemoryClass.OfNeed(offer.WantedBytes),
        offer.Avoid.Count == 0 ? "" : string.Join('\n', offer.Avoid.Distinct(StringComparer.Ordinal).Order(StringComparer.Ordinal)));
}

/// <summary>Waiting units that the same workers may take, by job.</summary>
internal sealed class Lane(LaneKey key)
{
    private readonly HashSet<string> _avoid = key.Avoid.Length == 0 ? [] : [.. key.Avoid.Split('\n')];
    private int _asOf = -1;
    private bool _hasBetter;

    public LaneKey Key => key;

    /// <summary>Jobs with waiting units; whose turn it is comes first.</summary>
    public SortedSet<LaneQueue> Queues { get; } = new(LaneQueue.ByTurn);

    /// <summary>Some workers get its units before others.</summary>
    public bool IsChoosy => _avoid.Count > 0 || key.Wanted > key.Memory;

    /// <summary>Whether a worker may take units now: it has the room, and it is none that others come before, unless there are no others or the unit has waited too long for them.</summary>
    /// <param name="free">Class of what it has free.</param>
    /// <param name="overdue">Units offered up to then have waited too long.</param>
    public bool Admits(string worker, int free, LiveWorkers workers, TimeSpan overdue)
    {
        if (free < key.Memory)
            return false;
        return !IsChoosy || (free >= key.Wanted && !_avoid.Contains(worker)) || !HasBetter(workers) || Queues.Min?.Head is { } head && head.Offered <= overdue;
    }

    /// <summary>Whether a worker is alive that none comes before.</summary>
    private bool HasBetter(LiveWorkers workers)
    {
        if (_asOf != workers.Version)
            (_asOf, _hasBetter) = (workers.Version, workers.CanAnyTake(key.Profile, Math.Max(key.Memory, key.Wanted), _avoid));
        return _hasBetter;
    }
}

/// <summary>A job's waiting units in one lane, first come, first served.</summary>
internal sealed class LaneQueue(Lane lane, JobTurn job)
{
    private readonly Queue<OfferedUnit> _units = [];
    private int _waiting;

    public static IComparer<LaneQueue> ByTurn { get; } = Comparer<LaneQueue>.Create((x, y) => x.Job.Turn.CompareTo(y.Job.Turn));

    public Lane Lane => lane;

    public JobTurn Job => job;

    public int Count => _waiting;

    public bool IsEmpty => _waiting == 0;

    /// <summary>The unit that is next; null where none waits.</summary>
    public OfferedUnit? Head
    {
        get
        {
            while (_units.TryPeek(out var head))
            {
                if (!head.IsDropped)
                    return head;
                _units.Dequeue();
            }

            return null;
        }
    }

    public IEnumerable<OfferedUnit> Units => _units.Where(u => !u.IsDropped);

    public void Add(OfferedUnit unit)
    {
        unit.Queue = this;
        _units.Enqueue(unit);
        _waiting++;
    }

    /// <summary>Takes the head.</summary>
    public OfferedUnit Take()
    {
        var head = Head!;
        _units.Dequeue();
        head.Queue = null;
        _waiting--;
        return head;
    }

    /// <summary>A unit of it is to be passed over.</summary>
    public void Drop(OfferedUnit unit)
    {
        (unit.IsDropped, unit.Queue) = (true, null);
        _waiting--;
    }
}

/// <summary>A job among those that wait.</summary>
internal sealed class JobTurn(string tenant, string job)
{
    public string Tenant => tenant;

    public string Job => job;

    /// <summary>The lowest is next; no two jobs have the same.</summary>
    public long Turn { get; set; }

    public Dictionary<LaneKey, LaneQueue> Queues { get; } = [];
}
