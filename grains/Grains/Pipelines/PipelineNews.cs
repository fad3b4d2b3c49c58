using System.Globalization;
using Microsoft.Extensions.Logging;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>What happens to a pipeline, for the job's log.</summary>
internal sealed partial class PipelineNews(PipelineContext context)
{
    private readonly ILogger _logger = context.Telemetry.Logs.CreateLogger<PipelineRun>();
    private readonly List<JobEvent> _events = [];
    private readonly HashSet<Rescue> _rescues = [];

    /// <summary>What happened since the last call.</summary>
    public IReadOnlyList<JobEvent> Take()
    {
        JobEvent[] events = [.. _events];
        _events.Clear();
        return events;
    }

    public void Note(string kind, string message)
    {
        LogIncident(kind, context.Job.JobId, context.Job.Tenant, message);
        _events.Add(new JobEvent(kind, null, message));
    }

    /// <param name="diverged">Another attempt had committed other bytes.</param>
    public void Committed(WorkUnit unit, bool diverged, UnitMetrics metrics)
    {
        if (diverged)
            Note("diverged", $"{unit.Id}: another attempt had committed different bytes; its result is used. The computation is not deterministic on this machine.");
        // Every row range of a layer tells of the same dead columns; once is enough.
        foreach (var rescue in (metrics.Rescues ?? []).Where(_rescues.Add))
            _events.Add(new JobEvent("rescue", rescue.Layer, $"{rescue.Kind}: {rescue.Detail}"));
        if (metrics.Reconstruction is { } tuned && unit.Spec is ReconstructSpec { Group: var group })
            _events.Add(new JobEvent("reconstructed", group.Name, tuned.Reason ?? string.Create(CultureInfo.InvariantCulture, $"loss {tuned.NearestLoss:g4} → {tuned.Loss:g4} in {tuned.Iterations} steps")));
    }
}
