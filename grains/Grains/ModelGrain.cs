using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Models;
using Orchestrator.Grains.Pipelines;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains;

/// <summary>A job: carries out what the <see cref="ModelMachine"/> decides.</summary>
public sealed partial class ModelGrain(IGrainHost host, CheckpointStore checkpoints, RetryPolicy retry, GrainTelemetry? telemetry = null) : IModelGrain
{
    private readonly GrainTelemetry _telemetry = telemetry ?? GrainTelemetry.None;
    private readonly ILogger _logger = (telemetry ?? GrainTelemetry.None).Logs.CreateLogger<ModelGrain>();
    private Active? _job;
    private int _starts;

    public async Task<JobStarted> StartAsync(JobStart start, CancellationToken cancellationToken)
    {
        if (_job is { State.HasEnded: false } running)
            return new JobStarted(running.Place);
        var place = await PlaceAsync(start, cancellationToken);
        using var span = _telemetry.Instruments?.StartingJob(start.Trace, place.Tenant, place.JobId);
        var trace = span?.Id ?? start.Trace;
        var context = new PipelineContext(host, checkpoints, place, start.Plan.Settings.Profile, retry, new UnitMemory(start.Plan).Of) { Telemetry = _telemetry, Trace = trace };
        _job = new Active(start.Plan, context, ReportAsync, host.Clock.GetTimestamp());
        LogStarted(place.JobId, place.Tenant, place.Run);
        await FeedAsync(_job, new ModelEvent.Started(), cancellationToken);
        return new JobStarted(place);
    }

    public async IAsyncEnumerable<JobProgress> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var job = Started();
        await foreach (var progress in job.Progress.WatchAsync(job.Progress.Make(job.State, job.OwnCounts, []), cancellationToken))
            yield return progress;
    }

    public Task<ModelStanding?> DescribeAsync(int most, CancellationToken cancellationToken) =>
        Task.FromResult(_job is { } job ? new ModelStanding(job.Place, job.Progress.Make(job.State, job.OwnCounts, []), job.Troubles(most)) : null);

    public Task<JobResult> ResultAsync(CancellationToken cancellationToken) => Started().Result.Task.WaitAsync(cancellationToken);

    public async Task StopAsync(string reason, bool resumable, CancellationToken cancellationToken)
    {
        if (_job is { } job)
            await FeedAsync(job, new ModelEvent.StopAsked(reason, resumable), cancellationToken);
    }

    public async Task FailAsync(string reason, CancellationToken cancellationToken)
    {
        var job = Started();
        await FeedAsync(job, new ModelEvent.Faulted(reason), cancellationToken);
        // The fault may have come between the decision to end and the end.
        if (!job.Result.Task.IsCompleted)
            await ConcludeAsync(job, new ModelEffect.Conclude(JobStatus.Failed, reason, IsRecorded: true), cancellationToken);
    }

    public async Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken)
    {
        foreach (var part in ended.GroupBy(e => e.Owner.Part))
        {
            if (_job is { } job && job.Runs.Find(part.Key) is { } run)
            {
                await run.AttemptsEndedAsync([.. part], cancellationToken);
                Tell(job, job.TakeEvents());
            }
        }

        await host.Peer<ISchedulerGrain>(GrainKeys.Scheduler).AcknowledgeAsync([.. ended.Select(e => e.Epoch)], cancellationToken);
    }

    public Task LayerProgressedAsync(LayerProgress progress, CancellationToken cancellationToken)
    {
        // A layer's end has its final counts; news that was overtaken by it is old.
        if (Current(progress.Job) is { } job && (!job.Ends.ContainsKey(progress.Layer) || job.State.RunningLayers.Contains(progress.Layer)))
        {
            job.Progress.SetLayer(progress.Layer, progress.Counts);
            job.LayerTroubles[progress.Layer] = progress.Troubles;
            Tell(job, progress.Events);
        }

        return Task.CompletedTask;
    }

    public async Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken)
    {
        if (Current(ended.Job) is not { } job || job.State.HasEnded)
            return;
        job.Ends[ended.Layer] = ended;
        job.Progress.SetLayer(ended.Layer, ended.Counts);
        job.LayerTroubles[ended.Layer] = ended.Troubles;
        var name = job.Plan.Layers[ended.Layer].Name;
        Tell(job, [ended.Failure is null ? new JobEvent("layer-solved", name, "solved") : new JobEvent("layer-failed", name, ended.Failure.Message)]);
        await FeedAsync(job, new ModelEvent.LayerEnded(ended.Layer, ended.Failure), cancellationToken);
    }

    public async Task LayerStarvedAsync(JobPlace place, int layer, BlobRef damaged, CancellationToken cancellationToken)
    {
        if (Current(place) is not { } job || job.State.HasEnded)
            return;
        var group = job.Runs.GroupOf(layer);
        // The machine hears of the repair before the pipeline can report that it is done.
        if (job.Runs.Statistics[group].Fold.ProducerOf(damaged.Name) is not null)
            await FeedAsync(job, new ModelEvent.StatisticsDamaged(group), cancellationToken);
        await FeedAsync(job, new ModelEvent.LayerStarved(layer), cancellationToken);
        await job.Runs.Statistics[group].RepairAsync(damaged, cancellationToken);
        Tell(job, job.TakeEvents());
    }

    public async Task StoreFailedAsync(JobPlace place, string reason, CancellationToken cancellationToken)
    {
        if (Current(place) is { } job)
            await FeedAsync(job, new ModelEvent.StoreFailed(reason), cancellationToken);
    }

    /// <summary>Where the job's commits are and which run of it this is.</summary>
    private async Task<JobPlace> PlaceAsync(JobStart start, CancellationToken cancellationToken)
    {
        var id = start.Plan.ComputeJobId();
        var scope = start.Fresh
            ? await checkpoints.BeginFreshAsync(start.Tenant, id, cancellationToken)
            : await checkpoints.ReadScopeAsync(start.Tenant, id, cancellationToken);
        await checkpoints.WritePlanAsync(start.Tenant, start.Plan, cancellationToken);
        var last = await checkpoints.ReadLastEndAsync(scope, cancellationToken);
        var run = last is null ? 0 : last.Status == JobStatus.Succeeded ? last.Run : last.Run + 1;
        return new JobPlace(start.Tenant, id, scope.Generation, run, ++_starts, host.Activation);
    }

    private Task ReportAsync(string part, PipelineReport report)
    {
        var job = _job!;
        // Posted through ourselves would cost a turn; the report comes at the end of a pipeline's step, so it may go on from here.
        return report switch
        {
            PipelineReport.StoreFailed e => FeedAsync(job, new ModelEvent.StoreFailed(e.Reason), host.Stopping),
            PipelineReport.Starved e => StarvedAsync(job, part, e.Damaged),
            PipelineReport.GivenUp e => EndedAsync(job, part, e.Failure with { Message = $"{e.Failure.Message} (unit {e.Unit})" }),
            _ => EndedAsync(job, part, null),
        };
    }

    private Task EndedAsync(Active job, string part, Failure? failure)
    {
        ModelEvent happened = ModelRuns.IsBaseline(part) ? new ModelEvent.BaselineEnded(failure)
            : ModelRuns.IsReconstruction(part) ? new ModelEvent.ReconstructionEnded([.. job.Runs.Reconstructed], failure)
            : ModelRuns.IsResult(part) ? new ModelEvent.ResultEnded(failure)
            : new ModelEvent.StatisticsEnded(ModelRuns.GroupOf(part), failure);
        return FeedAsync(job, happened, host.Stopping);
    }

    private async Task StarvedAsync(Active job, string part, BlobRef damaged)
    {
        if (ModelRuns.IsResult(part) && job.Runs.Reconstruction?.Run is { } reconstruction && reconstruction.Fold.ProducerOf(damaged.Name) is not null)
        {
            // The machine hears of the repair before the pipeline can report that it is done.
            await FeedAsync(job, new ModelEvent.ReconstructionDamaged(), host.Stopping);
            await reconstruction.RepairAsync(damaged, host.Stopping);
            return;
        }

        var layer = job.Ends.Values.FirstOrDefault(e => e.Results.Any(r => r.Name == damaged.Name))?.Layer;
        job.Damaged = damaged;
        await FeedAsync(job, ModelRuns.IsResult(part) ? new ModelEvent.ResultStarved(layer) : new ModelEvent.ReconstructionStarved(layer), host.Stopping);
    }

    private async Task FeedAsync(Active job, ModelEvent happened, CancellationToken cancellationToken)
    {
        var step = ModelMachine.Step(job.State, happened);
        job.State = step.State;
        foreach (var effect in step.Effects)
            await ActAsync(job, effect, cancellationToken);
        if (step.Effects.Length > 0)
            Tell(job, job.TakeEvents());
    }

    private Task ActAsync(Active job, ModelEffect effect, CancellationToken cancellationToken)
    {
        switch (effect)
        {
            case ModelEffect.StartBaseline:
                return job.Runs.Baseline.BeginAsync([], cancellationToken);
            case ModelEffect.StartStatistics e:
                return job.Runs.Statistics[e.Group].BeginAsync([], cancellationToken);
            case ModelEffect.StartLayer e:
                var layer = job.Plan.Layers[e.Layer];
                var start = new LayerStart(job.Place, job.BlockOf(e.Layer), job.Plan.Settings, layer, job.Runs.StatisticsOf(e.Layer)) { Trace = job.Trace };
                return Block(job, e.Layer).StartLayerAsync(start, cancellationToken);
            case ModelEffect.RepairLayer e:
                return Block(job, e.Layer).RepairLayerAsync(job.Place, e.Layer, job.Damaged!, cancellationToken);
            case ModelEffect.StartReconstruction e:
                return job.Runs.StartReconstruction(e.Layers).BeginAsync(IndexedList.Concat([.. e.Layers.Select(l => job.Ends[l].Results)]), cancellationToken);
            case ModelEffect.StartResult e:
                return job.Runs.StartResult(e.Layers).BeginAsync(job.Runs.ResultsOf(e.Layers, l => job.Ends[l].Results), cancellationToken);
            case ModelEffect.StopAll:
                return StopAllAsync(job, cancellationToken);
            case ModelEffect.Conclude e:
                return ConcludeAsync(job, e, cancellationToken);
            default:
                throw new ArgumentOutOfRangeException(nameof(effect), effect.GetType().Name, "no such effect");
        }
    }

    private async Task StopAllAsync(Active job, CancellationToken cancellationToken)
    {
        foreach (var run in job.Runs.All)
            await run.StopAsync(cancellationToken);
        await Task.WhenAll(Enumerable.Range(0, job.Plan.Blocks.Count)
            .Select(b => host.Peer<IBlockGrain>(GrainKeys.Block(job.Place.Tenant, job.Place.JobId, b)).StopAsync(job.Place, cancellationToken)));
    }

    private async Task ConcludeAsync(Active job, ModelEffect.Conclude end, CancellationToken cancellationToken)
    {
        using var span = _telemetry.Instruments?.EndingJob(job.Trace, job.Place.Tenant, job.Place.JobId);
        var (status, reason, isRecorded) = end;
        var counts = job.OwnCounts + job.Progress.LayerCounts;
        var model = ModelFold.Model(job.Runs.Result?.Fold);
        var fold = ModelFold.Digest(job.Runs, job.Ends);
        if (isRecorded)
        {
            try
            {
                var scope = new JobScope(job.Place.Tenant, job.Place.JobId, job.Place.Generation);
                var manifest = new Manifest(job.Plan.ComputeDigest(), model, counts.Computed + counts.Reused, fold);
                await checkpoints.EndAsync(scope, job.Place.Run, status, reason, manifest, cancellationToken);
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
            {
                // The commits decide; without its end record the job is only found complete again at the next start.
                isRecorded = false;
                reason ??= $"The end of the job could not be recorded: {cause.Message}";
            }
        }

        _telemetry.Instruments?.JobEnded(status, host.Clock.GetElapsedTime(job.Started));
        LogEnded(job.Place.JobId, job.Place.Tenant, status, counts.Computed, counts.Reused, reason);
        Tell(job, job.TakeEvents());
        job.Progress.End();
        job.Result.TrySetResult(new JobResult(status, reason, job.Place, model, ModelFold.Summarize(job.Runs, job.Ends, counts), fold)
        {
            ModelData = ModelFold.ModelData(job.Runs.Result?.Fold),
            IsRecorded = isRecorded,
        });
    }

    private static void Tell(Active job, IReadOnlyList<JobEvent> events) => job.Progress.Tell(job.Progress.Make(job.State, job.OwnCounts, events));

    private IBlockGrain Block(Active job, int layer) => host.Peer<IBlockGrain>(GrainKeys.Block(job.Place.Tenant, job.Place.JobId, job.BlockOf(layer)));

    private Active Started() => _job ?? throw new InvalidOperationException($"'{host.Key}' has not been started.");

    private Active? Current(JobPlace place) => _job is { } job && job.Place == place ? job : null;

    /// <param name="started">Timestamp of the start.</param>
    private sealed class Active(JobPlan plan, PipelineContext context, Func<string, PipelineReport, Task> report, long started)
    {
        private ModelProgress? _progress;

        public JobPlan Plan { get; } = plan;

        public JobPlace Place => context.Job;

        public string? Trace => context.Trace;

        public long Started => started;

        public ModelRuns Runs { get; } = new(plan, context, report);

        public ModelProgress Progress => _progress ??= new ModelProgress(Plan, () => Runs.GroupsInWork);

        public Dictionary<int, LayerEnd> Ends { get; } = [];

        public TaskCompletionSource<JobResult> Result { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public ModelState State { get; set; } = ModelState.Create(plan);

        /// <summary>The result blob that a layer is asked to make again.</summary>
        public BlobRef? Damaged { get; set; }

        public PipelineCounts OwnCounts => Runs.All.Aggregate(default(PipelineCounts), (sum, run) => sum + run.Fold.Counts);

        public int BlockOf(int layer) => Enumerable.Range(0, Plan.Blocks.Count).First(b => Plan.Blocks[b].Layers.Contains(layer));

        /// <summary>As the layers told last.</summary>
        public Dictionary<int, IReadOnlyList<UnitTrouble>> LayerTroubles { get; } = [];

        public IReadOnlyList<UnitTrouble> Troubles(int most) =>
            UnitTroubles.InOrder(Runs.All.SelectMany(r => r.Troubles(most)).Concat(LayerTroubles.Values.SelectMany(t => t)), most);

        public IReadOnlyList<JobEvent> TakeEvents() => [.. Runs.All.SelectMany(r => r.TakeEvents())];
    }
}
