using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Server.Nodes;

/// <summary>A worker as it registered, and when it was heard of last.</summary>
/// <param name="Heard">Time since then.</param>
public sealed record RosterEntry(WorkerRegistration Registration, TimeSpan Heard, bool IsDraining)
{
    /// <summary>Twice what a worker may be silent for while it waits for units.</summary>
    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(45);

    public bool IsOffline => Heard >= s_silence;

    /// <summary>May get units.</summary>
    public bool IsAvailable => !IsDraining && !IsOffline;
}

/// <summary>The workers of the active server's tenure. Empty after a take-over: workers that are not known register anew. Safe for concurrent use.</summary>
public sealed class WorkerRoster(TimeProvider clock)
{
    private static readonly TimeSpan s_forgotten = TimeSpan.FromMinutes(10);

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Line> _workers = new(StringComparer.Ordinal);

    public void Register(WorkerRegistration registration)
    {
        lock (_lock)
            _workers[registration.Worker] = new Line(registration, clock.GetTimestamp(), IsDraining: false);
    }

    /// <summary>A worker was heard of.</summary>
    /// <returns>False where it is not known: it has to register.</returns>
    public bool Hear(string worker)
    {
        lock (_lock)
        {
            if (!_workers.TryGetValue(worker, out var line))
                return false;
            _workers[worker] = line with { Heard = clock.GetTimestamp() };
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
                .Select(w => new RosterEntry(w.Registration, clock.GetElapsedTime(w.Heard), w.IsDraining))];
        }
    }

    private sealed record Line(WorkerRegistration Registration, long Heard, bool IsDraining);
}
