using Orchestrator.Grains.Abstractions;
using Orchestrator.Server.Jobs;

namespace Orchestrator.Server.Nodes;

/// <summary>One coordinator and the jobs that run in it, until it fails or its server is not the active one any more.</summary>
internal sealed class CoordinatorSession(ICoordinator coordinator, JobRegistry registry, TimeProvider clock) : IAsyncDisposable
{
    private readonly Lock _lock = new();
    private readonly CancellationTokenSource _over = new();
    private readonly Dictionary<JobEntry, JobRun> _runs = [];
    private bool _isClosed;

    public ICoordinator Coordinator => coordinator;

    /// <summary>Runs a job; nothing happens where it runs already.</summary>
    /// <returns>Null where the session is over: the next one runs what shall run.</returns>
    public JobRun? Start(JobEntry entry)
    {
        lock (_lock)
        {
            if (_isClosed)
                return null;
            if (_runs.TryGetValue(entry, out var running) && !running.Over.IsCompleted)
                return running;
            return _runs[entry] = JobRun.Start(entry, coordinator, registry, clock, _over.Token);
        }
    }

    /// <summary>When the call returns nothing of the job is committed any more.</summary>
    public async Task StopAsync(JobEntry entry, string reason, bool resumable)
    {
        JobRun? run;
        lock (_lock)
            run = _runs.GetValueOrDefault(entry);
        if (run is null)
            return;
        // Kept until it stands still: whoever stops it as well has to wait, too.
        await run.StopAsync(reason, resumable);
        lock (_lock)
        {
            if (_runs.GetValueOrDefault(entry) == run)
                _runs.Remove(entry);
        }

        run.Dispose();
    }

    /// <summary>When the call returns nothing is committed any more and no further job is taken in.</summary>
    public async Task StopAllAsync(string reason)
    {
        JobEntry[] running;
        lock (_lock)
        {
            _isClosed = true;
            running = [.. _runs.Keys];
        }

        await Task.WhenAll(running.Select(entry => StopAsync(entry, reason, resumable: true)));
    }

    /// <summary>Ends everything at once. A commit that is under way may still be made; it is fenced by its epoch.</summary>
    public async ValueTask DisposeAsync()
    {
        lock (_lock)
            _isClosed = true;
        Cancel(_over);
        await coordinator.DisposeAsync();
        _over.Dispose();
    }

    private static void Cancel(CancellationTokenSource source) => source.Cancel();
}
