using System.Diagnostics.Metrics;
using Orchestrator.Jobs.Telemetry;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Telemetry;

/// <summary>What is counted of a server: whether it leads, its workers, its jobs. A standby counts nothing but its role.</summary>
public sealed class ServerInstruments
{
    private static readonly string[] s_workerStates = ["available", "busy", "draining", "offline"];
    private static readonly string[] s_jobStates = ["pending", "executing", "finalizing", "paused"];

    private readonly Counter<long> _recoveries;
    private ServerNode? _node;

    /// <param name="meter">Belongs to the caller.</param>
    public ServerInstruments(Meter meter)
    {
        _recoveries = meter.CreateCounter<long>("orchestrator.job.recovery", "{recovery}", "How often work went on after something was lost.");
        meter.CreateObservableGauge("orchestrator.leadership.role", () => _node?.TryActive() is null ? 0L : 1L, "{role}", "1 on the active server, 0 on a standby.");
        meter.CreateObservableGauge("orchestrator.leadership.term", () => _node?.TryActive()?.Tenure.Term ?? _node?.Head?.Term ?? 0, "{term}", "Raised at every take-over.");
        meter.CreateObservableGauge("orchestrator.worker.count", Workers, "{worker}", "Workers of the cluster.");
        meter.CreateObservableGauge("orchestrator.job.active", Jobs, "{job}", "Jobs that have not ended.");
        meter.CreateObservableGauge("orchestrator.job.progress", Progress, "1", "Committed part of the work of all jobs that run.");
    }

    /// <summary>Counts this one from now on.</summary>
    public void Watch(ServerNode node) => Volatile.Write(ref _node, node);

    /// <summary>A job goes on in this server.</summary>
    /// <param name="planned">The server before had said that it stops.</param>
    internal void Recovered(bool planned) => _recoveries.Add(1, new KeyValuePair<string, object?>(Labels.Cause, planned ? "upgrade" : "controller"));

    private IEnumerable<Measurement<long>> Workers()
    {
        if (_node?.TryActive() is not { } active)
            return [];
        var counts = active.Workers.List().CountBy(w => w.State).ToDictionary(StringComparer.Ordinal);
        return Of(s_workerStates, counts);
    }

    private IEnumerable<Measurement<long>> Jobs()
    {
        if (_node?.TryActive() is not { } active)
            return [];
        var counts = active.Registry.Entries.Where(e => e.IsLoaded && e.State != JobState.Ended)
            .CountBy(e => e.State switch
            {
                JobState.Paused => "paused",
                JobState.Running => e.Progress?.Phase == "result" ? "finalizing" : "executing",
                _ => "pending",
            })
            .ToDictionary(StringComparer.Ordinal);
        return Of(s_jobStates, counts);
    }

    private IEnumerable<Measurement<double>> Progress()
    {
        if (_node?.TryActive() is not { } active)
            return [];
        var running = active.Registry.Entries.Where(e => e.State == JobState.Running).Select(e => e.Progress).OfType<Grains.Abstractions.Messages.JobProgress>().ToArray();
        var total = running.Sum(p => p.CostTotal);
        return total > 0 ? [new Measurement<double>(running.Sum(p => p.CostDone) / total)] : [];
    }

    /// <summary>All states every time: one that nobody is in any more is 0 and not what it was.</summary>
    private static IEnumerable<Measurement<long>> Of(IEnumerable<string> states, Dictionary<string, int> counts) =>
        states.Select(state => new Measurement<long>(counts.GetValueOrDefault(state), new KeyValuePair<string, object?>(Labels.State, state)));
}
