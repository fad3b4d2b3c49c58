using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Scheduling;

/// <summary>
/// Units that wait for a worker. Jobs take turns, a unit at a time; within a job first come, first served. A worker is offered the heads
/// of the lanes that it may take from, so its lease costs the logarithm of the jobs that wait, however many units they have.
/// </summary>
internal sealed class WaitingUnits
{
    private readonly Dictionary<LaneKey, Lane> _lanes = [];
    private readonly Dictionary<string, List<Lane>> _byProfile = new(StringComparer.Ordinal);
    private readonly Dictionary<(string Tenant, string Job), JobTurn> _jobs = [];
    private long _turns;

    /// <summary>Lanes whose units some workers get before others.</summary>
    public IEnumerable<Lane> Choosy => _lanes.Values.Where(l => l.IsChoosy);

    /// <param name="tenant">Null for all tenants.</param>
    /// <param name="job">Null for all jobs.</param>
    public int Count(string? tenant, string? job) => Of(tenant, job).Sum(j => j.Queues.Values.Sum(q => q.Count));

    /// <summary>Job by job in their turns, each job's units in the order of their offers.</summary>
    /// <param name="tenant">Null for all tenants.</param>
    /// <param name="job">Null for all jobs.</param>
    public IEnumerable<OfferedUnit> InOrder(string? tenant, string? job) =>
        Of(tenant, job).OrderBy(j => j.Turn).SelectMany(j => j.Queues.Values.SelectMany(q => q.Units).OrderBy(u => u.Number));

    /// <returns>Its lane.</returns>
    public Lane Add(OfferedUnit unit)
    {
        var key = LaneKey.Of(unit.Offer);
        // Tenants may have equal jobs.
        var name = (unit.Offer.Tenant, unit.Offer.Job);
        if (!_jobs.TryGetValue(name, out var job))
            _jobs[name] = job = new JobTurn(name.Tenant, name.Job) { Turn = ++_turns };
        if (!job.Queues.TryGetValue(key, out var queue))
        {
            queue = new LaneQueue(LaneOf(key), job);
            job.Queues[key] = queue;
            queue.Lane.Queues.Add(queue);
        }

        queue.Add(unit);
        return queue.Lane;
    }

    /// <summary>Takes the next unit that a worker may run.</summary>
    /// <returns>Null where there is none.</returns>
    public OfferedUnit? Take(LeaseRequest request, LiveWorkers workers, TimeSpan overdue)
    {
        var free = MemoryClass.OfFree(request.FreeBytes);
        LaneQueue? next = null;
        foreach (var profile in request.Profiles)
        {
            foreach (var lane in _byProfile.GetValueOrDefault(profile) ?? [])
            {
                if (lane.Admits(request.Worker, free, workers, overdue) && lane.Queues.Min is { } first && IsBefore(first, next))
                    next = first;
            }
        }

        if (next is null)
            return null;
        var unit = next.Take();
        MoveBack(next.Job);
        Tidy(next);
        return unit;
    }

    public void Drop(OfferedUnit unit)
    {
        var queue = unit.Queue!;
        queue.Drop(unit);
        Tidy(queue);
    }

    private static bool IsBefore(LaneQueue queue, LaneQueue? other) =>
        other is null || queue.Job.Turn < other.Job.Turn || (queue.Job == other.Job && queue.Head!.Number < other.Head!.Number);

    private void MoveBack(JobTurn job)
    {
        foreach (var queue in job.Queues.Values)
            queue.Lane.Queues.Remove(queue);
        job.Turn = ++_turns;
        foreach (var queue in job.Queues.Values)
            queue.Lane.Queues.Add(queue);
    }

    /// <summary>Nothing is kept of what has no units.</summary>
    private void Tidy(LaneQueue queue)
    {
        if (!queue.IsEmpty)
            return;
        queue.Lane.Queues.Remove(queue);
        queue.Job.Queues.Remove(queue.Lane.Key);
        if (queue.Job.Queues.Count == 0)
            _jobs.Remove((queue.Job.Tenant, queue.Job.Job));
        if (queue.Lane.Queues.Count > 0)
            return;
        _lanes.Remove(queue.Lane.Key);
        var lanes = _byProfile[queue.Lane.Key.Profile];
        lanes.Remove(queue.Lane);
        if (lanes.Count == 0)
            _byProfile.Remove(queue.Lane.Key.Profile);
    }

    private Lane LaneOf(LaneKey key)
    {
        if (_lanes.TryGetValue(key, out var lane))
            return lane;
        _lanes[key] = lane = new Lane(key);
        if (!_byProfile.TryGetValue(key.Profile, out var lanes))
            _byProfile[key.Profile] = lanes = [];
        lanes.Add(lane);
        return lane;
    }

    private IEnumerable<JobTurn> Of(string? tenant, string? job) =>
        _jobs.Values.Where(j => (tenant ?? j.Tenant) == j.Tenant && (job ?? j.Job) == j.Job);
}
