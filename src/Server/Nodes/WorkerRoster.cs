using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Server.Nodes;

/// <summary>A worker as it registered, and when it was heard of last.</summary>
/// <param name="Heard">Time since then.</param>
public sealed record RosterEntry(WorkerRegistration Registration, TimeSpan Heard, bool IsDraining)
{
    /// <summary>Twice what a worker may be silent for while it waits for units.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(45);

    /// <summary>Twice the time between two heartbeats.</summary>
    private static readonly TimeSpan s_work = TimeSpan.FromSeconds(10);

    public bool IsOffline => Heard >= s_silence;

    /// <summary>Time since it told last that it runs units; null where it has not.</summary>
    public TimeSpan? Worked { get; init; }

    /// <summary><c>available</c>, <c>busy</c>, <c>draining</c> or <c>offline</c>.</summary>
    public string State => IsOffline ? "offline" : IsDraining ? "draining" : Worked < s_work ? "busy" : "available";

    /// <summary>May get units.</summary>
    public bool IsAvailable => !IsDraining && !IsOffline;
}

/// <summary>The workers of the active server's tenure. Empty after a take-over: workers that are not known register anew. Safe for concurrent use.</summary>
public sealed class WorkerRoster(TimeProvider clock)
{
    private static readonly TimeSpan s_forgotten = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Line> _workers = new(StringComparer.Ordinal);

    private long? _refused;

    /// <summary>Time since a worker was refused for its key; null where none was.</summary>
    public TimeSpan? Refused
    {
        get
        {
            lock (_lock)
                return _refused is { } at ? clock.GetElapsedTime(at) : null;
        }
    }

    /// <summary>A worker came whose key is none of a worker.</summary>
    public void Refuse()
    {
        lock (_lock)
            _refused = clock.GetTimestamp();
    }

    /// <param name="registration">Takes the place of an earlier one of the same name.</param>
    /// <param name="key">Name of the key that it came with: from then on no other speaks for the worker, until it was silent for long.</param>
    /// <returns>False where the name is taken by another key.</returns>
    public bool Register(WorkerRegistration registration, string key = "")
    {
        lock (_lock)
        {
            if (IsTaken(registration.Worker, key))
                return false;
            _workers[registration.Worker] = new Line(registration, clock.GetTimestamp(), IsDraining: false) { Key = key };
            return true;
        }
    }

    /// <summary>Whether a worker came with another key and was heard of since.</summary>
    public bool IsAnothers(string worker, string key)
    {
        lock (_lock)
            return IsTaken(worker, key);
    }

    private bool IsTaken(string worker, string key) =>
        _workers.TryGetValue(worker, out var line) && line.Key != key && !new RosterEntry(line.Registration, clock.GetElapsedTime(line.Heard), line.IsDraining).IsOffline;

    /// <summary>A worker was heard of.</summary>
    /// <param name="works">It told that it runs units.</param>
    /// <returns>False where it is not known: it has to register.</returns>
    public bool Hear(string worker, bool works = false)
    {
        lock (_lock)
        {
            if (!_workers.TryGetValue(worker, out var line))
                return false;
            var now = clock.GetTimestamp();
            _workers[worker] = line with { Heard = now, Worked = works ? now : line.Worked };
            return true;
        }
    }

    /// <summary>A worker takes no more units.</summary>
    /// <returns>False where it is not known.</returns>
    public bool Drain(string worker)
    {
        lock (_lock)
        {
            if (!_workers.TryGetValue(worker, out var line))
                return false;
            _workers[worker] = line with { IsDraining = true };
            return true;
        }
    }

    /// <summary>By name.</summary>
    public IReadOnlyList<RosterEntry> List()
    {
        lock (_lock)
        {
            foreach (var (name, line) in _workers.ToArray())
            {
                if (clock.GetElapsedTime(line.Heard) >= s_forgotten)
                    _workers.Remove(name);
            }

            return [.. _workers.Values.OrderBy(w => w.Registration.Worker, StringComparer.Ordinal)
                .Select(w => new RosterEntry(w.Registration, clock.GetElapsedTime(w.Heard), w.IsDraining) { Worked = w.Worked is { } worked ? clock.GetElapsedTime(worked) : null })];
        }
    }

    private sealed record Line(WorkerRegistration Registration, long Heard, bool IsDraining)
    {
        public long? Worked { get; init; }

        public string Key { get; init; } = "";
    }
}
