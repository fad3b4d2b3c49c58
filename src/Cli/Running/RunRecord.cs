using Orchestrator.Cli.Progress;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Running;

/// <summary>What this process saw of its job: incidents for the report, and all that is known of a job whose coordinator cannot be asked any more.</summary>
internal sealed class RunRecord
{
    /// <summary>Retries that a report lists; a store that fails all the time would fill it.</summary>
    private const int MostIncidents = 100;

    private readonly Lock _lock = new();
    private readonly List<Rescue> _incidents = [];
    private readonly HashSet<string> _solved = new(StringComparer.Ordinal);
    private JobProgress? _last;

    public IReadOnlyList<Rescue> Incidents
    {
        get
        {
            lock (_lock)
                return [.. _incidents];
        }
    }

    public void Add(Rescue incident)
    {
        lock (_lock)
            _incidents.Add(incident);
    }

    /// <summary>Takes a message in and shows it.</summary>
    public void See(JobProgress progress, IProgressSink sink)
    {
        lock (_lock)
        {
            foreach (var happened in progress.Events)
                Take(happened);
            // A job that was stopped has no units any more; its last figures say more.
            if (progress.UnitsTotal > 0)
                _last = progress;
        }

        foreach (var happened in progress.Events.Where(happened => happened.Kind != "layer-solved"))
            sink.Note($"{happened.Kind}{(happened.Layer is { } layer ? $" {layer}" : "")}: {happened.Message}");
        if (progress.UnitsTotal > 0)
            sink.Update(Snapshot(progress));
    }

    /// <summary>The end of a job that could not end itself: failed, with the units that are known to be committed.</summary>
    public JobResult Failed(string tenant, JobPlan plan, string reason)
    {
        lock (_lock)
        {
            var reused = _last?.UnitsReused ?? 0;
            var summary = new JobSummary
            {
                Layers = [.. plan.Layers.Where(layer => _solved.Contains(layer.Name)).Select(layer => new LayerSummary { Index = layer.Index })],
                Computed = (_last?.UnitsDone ?? 0) - reused,
                Reused = reused,
            };
            return new JobResult(JobStatus.Failed, reason, new JobPlace(tenant, plan.ComputeJobId(), 0, 0), null, summary, "");
        }
    }

    private void Take(JobEvent happened)
    {
        if (happened.Kind == "layer-solved")
            _solved.Add(happened.Layer!);
        // Rescues are in the commits, and so is why a layer failed; what only this run saw is kept here.
        else if (happened.Kind is not ("rescue" or "layer-failed" or "reconstructed") && _incidents.Count < MostIncidents)
            _incidents.Add(new Rescue(happened.Layer, happened.Kind, happened.Message));
    }

    private static ProgressSnapshot Snapshot(JobProgress progress) => new(
        progress.Phase, progress.UnitsDone, progress.UnitsTotal, progress.UnitsReused, progress.CostDone, progress.CostReused, progress.CostTotal,
        progress.Layers.Count switch { 0 => null, 1 => progress.Layers[0], var count => $"{count} layers" });
}
