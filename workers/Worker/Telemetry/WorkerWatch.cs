using System.Collections.Concurrent;
using System.Diagnostics;
using Microsoft.Extensions.Logging;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Telemetry;

/// <summary>Counts, traces and logs what a worker does.</summary>
/// <param name="worker">Its name.</param>
public sealed partial class WorkerWatch(WorkerInstruments instruments, ILogger<WorkerWatch> logger, string worker) : IWorkerObserver
{
    private readonly ConcurrentDictionary<Epoch, Activity> _spans = [];

    /// <remarks>The span becomes the current one of the caller's flow: what the attempt does lies below it.</remarks>
    public void Started(Lease lease)
    {
        if (instruments.Started(lease, worker) is { } span)
            _spans[lease.Epoch] = span;
    }

    public void Ended(Lease lease, Outcome outcome, TimeSpan time, bool isTold)
    {
        _spans.TryRemove(lease.Epoch, out var span);
        instruments.Ended(lease, outcome, time, isTold, span);
        if (WorkerInstruments.IsFenced(outcome, isTold))
            LogFenced(lease.Unit.Id, lease.Epoch.Attempt);
        else if (!isTold)
            LogRefused(lease.Unit.Id, lease.Epoch.Attempt);
        else if (outcome.Failure is { } failure)
            LogFailed(lease.Unit.Id, lease.Epoch.Attempt, failure.Code, failure.Message);
        span?.Dispose();
    }

    public void Noted(string kind, string message)
    {
        instruments.Noted(kind);
        LogNoted(kind, message);
    }
}
