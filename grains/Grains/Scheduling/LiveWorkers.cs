using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Scheduling;

/// <summary>Workers as they were heard of: who is alive, and what each could take. No clock of its own.</summary>
/// <param name="silence">A worker that was not heard of for as long is not alive.</param>
internal sealed class LiveWorkers(TimeSpan silence)
{
    /// <summary>Silent workers are told of for so many times the silence, and then forgotten.</summary>
    private const int Remembered = 20;

    private readonly SortedDictionary<string, Line> _workers = new(StringComparer.Ordinal);

    /// <summary>Changes whenever what some worker could take does.</summary>
    public int Version { get; private set; }

    public bool HasAny => _workers.Values.Any(w => w.IsAlive);

    /// <summary>A worker asked for units.</summary>
    /// <param name="isIdle">It holds none, so that what it has free is all it has.</param>
    public void Asked(LeaseRequest request, bool isIdle, TimeSpan now)
    {
        var free = MemoryClass.OfFree(request.FreeBytes);
        if (!_workers.TryGetValue(request.Worker, out var line))
            _workers[request.Worker] = line = new Line();
        var most = isIdle || !line.IsAlive ? free : Math.Max(line.Most, free);
        if (!line.IsAlive || most != line.Most || !line.Profiles.SequenceEqual(request.Profiles, StringComparer.Ordinal))
            Version++;
        (line.Profiles, line.FreeBytes, line.Most, line.Heard, line.IsAlive) = (request.Profiles, request.FreeBytes, most, now, true);
    }

    /// <summary>A worker renewed its leases or ended one.</summary>
    public void Heard(string worker, TimeSpan now)
    {
        if (!_workers.TryGetValue(worker, out var line))
            return;
        if (!line.IsAlive)
            Version++;
        (line.Heard, line.IsAlive) = (now, true);
    }

    /// <summary>Marks those that have been silent for too long.</summary>
    public void Forget(TimeSpan now)
    {
        foreach (var (worker, line) in _workers.ToArray())
        {
            if (now - line.Heard < silence)
                continue;
            if (line.IsAlive)
                Version++;
            line.IsAlive = false;
            if (now - line.Heard >= silence * Remembered)
                _workers.Remove(worker);
        }
    }

    /// <summary>Whether a worker has been silent for as long as a lease lasts.</summary>
    public bool IsSilent(string worker, TimeSpan now) => !_workers.TryGetValue(worker, out var line) || now - line.Heard >= silence;

    public long? FreeBytesOf(string worker) => _workers.GetValueOrDefault(worker)?.FreeBytes;

    /// <summary>Whether a worker that is alive could take such a unit once it has room.</summary>
    /// <param name="memory">Its class.</param>
    public bool CanAnyTake(string profile, int memory, IReadOnlySet<string> except) =>
        _workers.Any(w => w.Value.IsAlive && w.Value.Most >= memory && !except.Contains(w.Key) && w.Value.Profiles.Contains(profile, StringComparer.Ordinal));

    public bool HasProfile(string profile) => _workers.Values.Any(w => w.IsAlive && w.Profiles.Contains(profile, StringComparer.Ordinal));

    public IReadOnlyList<WorkerStanding> Stand(Func<string, int> leases, TimeSpan now) =>
        [.. _workers.Select(w => new WorkerStanding(w.Key, w.Value.Profiles, w.Value.FreeBytes, leases(w.Key), now - w.Value.Heard, w.Value.IsAlive && now - w.Value.Heard < silence))];

    private sealed class Line
    {
        public IReadOnlyList<string> Profiles { get; set; } = [];

        public long? FreeBytes { get; set; }

        /// <summary>Class of what it has free without units.</summary>
        public int Most { get; set; }

        public TimeSpan Heard { get; set; }

        public bool IsAlive { get; set; }
    }
}
