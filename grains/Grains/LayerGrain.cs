using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Pipelines;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains;

/// <summary>A layer: one pipeline, told to its block when it ends and to its model as it goes on.</summary>
public sealed class LayerGrain(IGrainHost host, CheckpointStore checkpoints, RetryPolicy retry, GrainTelemetry? telemetry = null) : ILayerGrain
{
    /// <summary>Units with failures that its model is told of.</summary>
    private const int MostTroubles = 100;

    private LayerStart? _start;
    private LayerPipeline? _pipeline;
    private PipelineRun? _run;
    private JobPlace? _stopped;
    private PipelineCounts _told;
    private IReadOnlyList<UnitTrouble> _toldTroubles = [];

    public async Task StartAsync(LayerStart start, CancellationToken cancellationToken)
    {
        if (start.Job == _stopped)
            return;
        if (_run is null || _start!.Job != start.Job)
        {
            _pipeline = new LayerPipeline(start.Settings, start.Layer);
            var context = new PipelineContext(
                host, checkpoints, start.Job, start.Settings.Profile, retry, unit => UnitMemory.OfLayer(unit.Spec, start.Layer)) { Telemetry = telemetry ?? GrainTelemetry.None, Trace = start.Trace };
            _run = new PipelineRun(context, new UnitOwner(OwnerKind.Layer, host.Key), _pipeline, ReportAsync);
            (_told, _toldTroubles) = (default, []);
        }

        _start = start;
        await _run.BeginAsync(start.Statistics, cancellationToken);
        TellProgress();
    }

    public async Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken)
    {
        if (_run is not null)
        {
            await _run.AttemptsEndedAsync(ended, cancellationToken);
            TellProgress();
        }

        await host.Peer<ISchedulerGrain>(GrainKeys.Scheduler).AcknowledgeAsync([.. ended.Select(e => e.Epoch)], cancellationToken);
    }

    public async Task RepairAsync(JobPlace job, BlobRef damaged, CancellationToken cancellationToken)
    {
        if (_run is null || _start!.Job != job)
            return;
        // Repaired meanwhile: the model has old names and gets the new ones.
        if (!await _run.RepairAsync(damaged, cancellationToken) && _run.Status == PipelineStatus.Finished)
            await ReportAsync(new PipelineReport.Finished());
        TellProgress();
    }

    public async Task StopAsync(JobPlace job, CancellationToken cancellationToken)
    {
        _stopped = job;
        if (_run is not null && _start!.Job == job)
            await _run.StopAsync(cancellationToken);
    }

    private Task ReportAsync(PipelineReport report)
    {
        var job = _start!.Job;
        var layer = _start.Layer;
        switch (report)
        {
            case PipelineReport.Finished:
                TellEnd(null);
                break;
            case PipelineReport.GivenUp e:
                TellEnd(e.Failure with { Message = $"'{layer.Name}': {e.Failure.Message} (unit {e.Unit})" });
                break;
            case PipelineReport.Starved e:
                host.Post(() => Model().LayerStarvedAsync(job, layer.Index, e.Damaged, host.Stopping));
                break;
            case PipelineReport.StoreFailed e:
                host.Post(() => Model().StoreFailedAsync(job, e.Reason, host.Stopping));
                break;
        }

        return Task.CompletedTask;
    }

    private void TellEnd(Failure? failure)
    {
        var fold = _run!.Fold;
        var results = failure is null
            ? IndexedList.Concat([.. _pipeline!.ResultRoles.Select(role => fold.Outputs(_pipeline.ResultStage, role))])
            : [];
        var summary = LayerFold.Summarize(_start!.Layer, fold, _pipeline!.ResultStage, failure);
        var ended = new LayerEnd(_start.Job, _start.Layer.Index, results, failure, summary, fold.Counts, fold.Digest()) { Troubles = _run.Troubles(MostTroubles) };
        var block = GrainKeys.Block(_start.Job.Tenant, _start.Job.JobId, _start.Block);
        host.Post(() => host.Peer<IBlockGrain>(block).LayerEndedAsync(ended, host.Stopping));
    }

    private void TellProgress()
    {
        var events = _run!.TakeEvents();
        var troubles = _run.Troubles(MostTroubles);
        if (_run.Fold.Counts == _told && events.Count == 0 && UnitTroubles.AreAlike(troubles, _toldTroubles))
            return;
        _toldTroubles = troubles;
        _told = _run.Fold.Counts;
        var name = _start!.Layer.Name;
        var progress = new LayerProgress(_start.Job, _start.Layer.Index, _told, [.. events.Select(e => e.Layer is null ? e with { Layer = name } : e)], troubles);
        host.Post(() => Model().LayerProgressedAsync(progress, host.Stopping));
    }

    private IModelGrain Model() => host.Peer<IModelGrain>(GrainKeys.Model(_start!.Job.Tenant, _start.Job.JobId));
}
