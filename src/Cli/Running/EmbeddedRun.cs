using System.Diagnostics;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Verbs;
using Orchestrator.Compression.Models;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.OnnxRuntime;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Units;
using Spectre.Console;

namespace Orchestrator.Cli.Running;

/// <summary><c>orc run</c> in one process: store, grains, worker, results. The composition root of the embedded mode.</summary>
internal sealed class EmbeddedRun(PreparedRun run, RunOptions options, VerbContext context)
{
    private const string Tenant = "local";
    private const string WorkerName = "embedded";

    /// <summary>A store that damages the model this often in a row is broken itself.</summary>
    private const int MostAttempts = 3;

    /// <summary>Retries that a report lists; a store that fails all the time would fill it.</summary>
    private const int MostIncidents = 100;

    private readonly TimeProvider _clock = context.Surroundings.Clock;
    private readonly DateTimeOffset _started = context.Surroundings.Clock.GetUtcNow();
    private readonly long _start = context.Surroundings.Clock.GetTimestamp();
    private readonly PhaseTimes _phases = new(context.Surroundings.Clock);
    private readonly List<Rescue> _incidents = [];
    private readonly TimeSpan _cpuBefore = Environment.CpuUsage.TotalTime;
    private readonly long _storeBefore = FolderSize.Of(run.Store);

    public static async Task<int> RunAsync(RunOptions options, VerbContext context, CancellationToken interruption)
    {
        var run = PreparedRun.Of(options, context.Surroundings);
        if (!options.DryRun)
            return await new EmbeddedRun(run, options, context).RunAsync(interruption);

        var plan = PlanView.Of(run, options.Slots);
        context.WriteResult(plan);
        plan.Print(context.People);
        Warn(run, context);
        return ExitCodes.Success;
    }

    private async Task<int> RunAsync(CancellationToken interruption)
    {
        Warn(run, context);
        _phases.Enter("import");
        var store = new RetryingBlobStore(FileBlobStore.Open(run.Store, _clock), StoreRetryOptions.Default, _clock, Random.Shared.NextDouble);
        var tensors = new TensorBlobs(store);
        var result = await context.Progress(run.Preflight.Estimate).ShowAsync(async sink =>
        {
            await new SourceImport(tensors, Tenant, sink).RunAsync(run, interruption);
            return await ExecuteUntilSoundAsync(store, tensors, sink, interruption);
        });
        _phases.Enter(null);
        if (result.Status == JobStatus.Interrupted)
            return TellHowToResume();

        var files = new ResultFiles(run.Out);
        var report = Report(result);
        await files.WriteAsync(report, Provenance(result), Copy(result.Model), Copy(result.ModelData));
        context.WriteResult(report);
        RunSummary.Print(context.People, report, files);
        return ExitCodes.Of(report.Status);

        Func<Stream, Task>? Copy(BlobRef? blob) => blob is null ? null : stream => tensors.CopyAsync(blob, stream, CancellationToken.None);
    }

    /// <summary>A finished job may be found with its model damaged since: then the unit that wrote it runs again.</summary>
    private async Task<JobResult> ExecuteUntilSoundAsync(IBlobStore store, TensorBlobs tensors, IProgressSink sink, CancellationToken interruption)
    {
        for (var (attempt, fresh) = (1, options.Fresh); ; (attempt, fresh) = (attempt + 1, false))
        {
            var result = await ExecuteAsync(store, tensors, sink, fresh, interruption);
            if (result.Model is null || result.Status == JobStatus.Interrupted)
                return result;
            try
            {
                foreach (var blob in new[] { result.Model, result.ModelData }.OfType<BlobRef>())
                    await tensors.CopyAsync(blob, Stream.Null, CancellationToken.None);
                return result;
            }
            catch (DamagedBlobException damaged) when (attempt < MostAttempts && BlobNames.ProducerOf(damaged.Blob.Name) is not null)
            {
                sink.Note($"damaged: {damaged.Message}");
                _incidents.Add(new Rescue(null, "damaged", damaged.Message));
                var (key, epoch) = BlobNames.ProducerOf(damaged.Blob.Name)!.Value;
                await new CheckpointStore(store).InvalidateAsync(new JobScope(Tenant, result.Job.JobId, result.Job.Generation), key, epoch, CancellationToken.None);
            }
        }
    }

    private async Task<JobResult> ExecuteAsync(IBlobStore store, TensorBlobs tensors, IProgressSink sink, bool fresh, CancellationToken interruption)
    {
        var profile = run.Plan.Settings.Profile;
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        using var runner = new UnitRunner(new ModelRuntime(environment, NumericProfiles.ProviderOf(profile)), NumericProfiles.WidthOf(profile), _clock);
        await using var host = new EmbeddedHost(store, EmbeddedHostOptions.Default, _clock);
        var worker = new WorkerLoop(host.Scheduler, runner, tensors, WorkerOptions.Create(WorkerName, profile, options.Slots), _clock);
        using var drain = new CancellationTokenSource();
        var job = host.Model(run.Plan.ComputeJobId());
        await job.StartAsync(new JobStart(Tenant, run.Plan, fresh), CancellationToken.None);
        var working = worker.RunAsync(drain.Token);
        try
        {
            var watching = WatchAsync(job, sink);
            var result = await EndAsync(job, host.Fault, working, interruption);
            await watching;
            return result;
        }
        finally
        {
            await drain.CancelAsync();
            await working;
        }
    }

    /// <summary>The job's end, or whatever makes it impossible.</summary>
    private static async Task<JobResult> EndAsync(IModelGrain job, Task<Exception> fault, Task working, CancellationToken interruption)
    {
        var result = job.ResultAsync(CancellationToken.None);
        var interrupted = new TaskCompletionSource();
        await using (interruption.Register(interrupted.SetResult))
            await Task.WhenAny(result, fault, working, interrupted.Task);
        if (interrupted.Task.IsCompleted && !result.IsCompleted)
            await job.StopAsync("interrupted", resumable: true, CancellationToken.None);
        else if (working.IsFaulted)
            await working;
        else if (fault.IsCompleted)
            throw new InvalidOperationException("The coordinator failed; everything committed is kept.", await fault);
        return await result;
    }

    private async Task WatchAsync(IModelGrain job, IProgressSink sink)
    {
        var resumed = false;
        await foreach (var progress in job.WatchAsync(CancellationToken.None))
        {
            if (!resumed && progress.UnitsReused > 0)
            {
                resumed = true;
                sink.Note("Resuming: units that are committed already are reused.");
            }

            if (progress.Phase != "ended")
                _phases.Enter(progress.Phase);
            foreach (var happened in progress.Events.Where(happened => happened.Kind != "layer-solved"))
            {
                // Rescues are in the commits, and so is why a layer failed; what only this run saw is kept here.
                if (happened.Kind is not ("rescue" or "layer-failed") && _incidents.Count < MostIncidents)
                    _incidents.Add(new Rescue(happened.Layer, happened.Kind, happened.Message));
                sink.Note($"{happened.Kind}{(happened.Layer is { } layer ? $" {layer}" : "")}: {happened.Message}");
            }

            // A job that was stopped has no units any more; its last figures say more.
            if (progress.UnitsTotal > 0)
                sink.Update(Snapshot(progress));
        }
    }

    private static ProgressSnapshot Snapshot(JobProgress progress) => new(
        progress.Phase, progress.UnitsDone, progress.UnitsTotal, progress.UnitsReused, progress.CostDone, progress.CostReused, progress.CostTotal,
        progress.Layers.Count switch { 0 => null, 1 => progress.Layers[0], var count => $"{count} layers" });

    private static void Warn(PreparedRun run, VerbContext context)
    {
        foreach (var warning in run.Preflight.Warnings)
            context.People.MarkupLineInterpolated($"[yellow]warning[/]: {warning}");
    }

    private int TellHowToResume()
    {
        context.WriteError(new Output.ErrorBody(
            "interrupted", "stopped before the job was done; everything committed is kept", run.Recipe.Stamp.File, "Run the same command again to resume."));
        return ExitCodes.Interrupted;
    }

    private JobReport Report(JobResult result)
    {
        using var process = Process.GetCurrentProcess();
        var seconds = _clock.GetElapsedTime(_start).TotalSeconds;
        var actual = new Consumption(
            seconds, (Environment.CpuUsage.TotalTime - _cpuBefore).TotalSeconds, process.PeakWorkingSet64, FolderSize.Of(run.Store) - _storeBefore);
        var isWhole = result.Status == JobStatus.Succeeded && result.Summary.Reused == 0;
        var facts = new ReportFacts(result.Status, result.Reason, result.Model?.Sha256, seconds, process.PeakWorkingSet64)
        {
            Estimate = EstimateReport.Of(run.Preflight.Estimate, actual, _phases.Seconds, isWhole, run.Preflight.Warnings),
            Incidents = _incidents,
        };
        return JobReportBuilder.Build(run.Plan, run.Outline, result.Summary, facts);
    }

    private Provenance Provenance(JobResult result) => new()
    {
        Product = new ProductStamp("Orchestrator", OrcCommand.Version, OrtEnvironment.RuntimeVersion),
        Job = result.Job.JobId,
        Recipe = run.Recipe.Stamp,
        Model = run.Model.Stamp,
        Calibration = run.Calibration.Stamp,
        Evaluation = run.Evaluation?.Stamp,
        PlanSha256 = run.Plan.ComputeDigest(),
        Profile = run.Plan.Settings.Profile,
        Seed = run.Plan.Settings.Seed,
        ManifestSha256 = result.Fold,
        ResultSha256 = result.Model?.Sha256,
        Started = _started,
        Ended = _clock.GetUtcNow(),
    };
}
