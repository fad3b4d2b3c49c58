using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Scheduling;

/// <summary>Requests for units that wait for one, first come, first served among workers that are alike.</summary>
internal sealed class PendingRequests
{
    private readonly Dictionary<(string Profiles, int Free), LinkedList<Pending>> _alike = [];

    public Pending Add(LeaseRequest request)
    {
        var kind = (string.Join('\n', request.Profiles), MemoryClass.OfFree(request.FreeBytes));
        if (!_alike.TryGetValue(kind, out var line))
            _alike[kind] = line = [];
        var pending = new Pending(request);
        var place = line.AddLast(pending);
        pending.Leave = () =>
        {
            if (place.List is null)
                return;
            line.Remove(place);
            if (line.Count == 0 && _alike.GetValueOrDefault(kind) == line)
                _alike.Remove(kind);
        };
        return pending;
    }

    /// <summary>Requests of workers that have one of these profiles.</summary>
    public int Count(IReadOnlySet<string> profiles) => _alike.Where(a => a.Key.Profiles.Split('\n').Any(profiles.Contains)).Sum(a => a.Value.Count);

    /// <summary>Wakes the first whose worker would get a unit. It waits no more: whom it is in vain for asks again.</summary>
    /// <returns>False where there is none.</returns>
    public bool Wake(Func<LeaseRequest, bool> isFor)
    {
        foreach (var line in _alike.Values)
        {
            foreach (var pending in line)
            {
                if (!isFor(pending.Request) || !pending.Wake())
                    continue;
                pending.Dispose();
                return true;
            }
        }

        return false;
    }

    internal sealed class Pending(LeaseRequest request) : IDisposable
    {
        private readonly TaskCompletionSource _woken = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public LeaseRequest Request => request;

        /// <summary>Completes when there may be a unit or the wait is over.</summary>
        public Task Woken => _woken.Task;

        internal Action Leave { get; set; } = () => { };

        /// <returns>False where it is over already.</returns>
        public bool Wake() => _woken.TrySetResult();

        /// <summary>From any thread.</summary>
        public void Cancel(CancellationToken cancellationToken) => _woken.TrySetCanceled(cancellationToken);

        public void Dispose() => Leave();
    }
}
