using System.Diagnostics;
using System.Runtime.ExceptionServices;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Reports;
using Orchestrator.Cli.Telemetry;
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
internal sealed class EmbeddedRun(PreparedRun run, RunOptions options, VerbContext context, TelemetrySession telemetry)
{
    private const string Tenant = "local";
    private const string WorkerName = "embedded";

    /// <summary>A store that damages the model this often in a row is broken itself.</summary>
    private const int MostAttempts = 3;

    private readonly TimeProvider _clock = context.Surroundings.Clock;
    private readonly DateTimeOffset _started = context.Surroundings.Clock.GetUtcNow();
    private readonly long _start = context.Surroundings.Clock.GetTimestamp();
    private readonly PhaseTimes _phases = new(context.Surroundings.Clock);
    private readonly RunRecord _record = new();
    private readonly TimeSpan _cpuBefore = Environment.CpuUsage.TotalTime;
    private readonly long? _storeBefore = StoreBytes(run);
    private RunFault? _fault;

    public static async Task<int> RunAsync(RunOptions options, VerbContext context, CancellationToken interruption)
    {
        var run = PreparedRun.Of(options, context);
        if (!options.DryRun)
        {
            using var telemetry = TelemetrySession.Open("orchestrator-run", $"{Environment.MachineName}-{Environment.ProcessId}", context.Surroundings, lines: null);
            using var span = telemetry.Spans.StartActivity("run");
            return await new EmbeddedRun(run, options, context, telemetry).RunAsync(interruption);
        }

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
        var store = telemetry.Measured(await (run.Store with { Instruments = telemetry.Store }).OpenAsync(context, interruption), _clock);
        var tensors = new TensorBlobs(store);
        var result = await ResultAsync(store, tensors, interruption);
        _phases.Enter(null);
        return result.Status == JobStatus.Interrupted ? TellHowToResume() : await DeliverAsync(result, tensors);
    }

    /// <summary>The job's end, whatever it is: a fault that nothing cures is one, too.</summary>
    private async Task<JobResult> ResultAsync(IBlobStore store, TensorBlobs tensors, CancellationToken interruption)
    {
        try
        {
            return await context.Progress(run.Preflight.Estimate).ShowAsync(async sink =>
            {
                await new SourceImport(tensors, Tenant, sink).RunAsync(run.Job, interruption);
                return await ExecuteUntilSoundAsync(store, tensors, sink, interruption);
            });
        }
        catch (Exception cause) when (RunFault.Is(cause, interruption.IsCancellationRequested))
        {
            _fault ??= new RunFault(cause);
            return _record.Failed(Tenant, run.Job.Plan, _fault.Reason);
        }
    }

    private async Task<int> DeliverAsync(JobResult result, TensorBlobs tensors)
    {
        var delivery = new ResultDelivery(run.Out, context);
        var report = Report(result);
        if (!await delivery.WriteAsync(
            report, Provenance(result), Copy(result.Model), Copy(result.ModelData),
            "Make room or choose another folder with --out, then run the same command again: what is committed is not computed again."))
        {
            return ExitCodes.Failed;
        }

        _fault?.Tell(context);
        return delivery.Tell(report);

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
                _record.Add(new Rescue(null, "damaged", damaged.Message));
                var (key, epoch) = BlobNames.ProducerOf(damaged.Blob.Name)!.Value;
                await new CheckpointStore(store).InvalidateAsync(new JobScope(Tenant, result.Job.JobId, result.Job.Generation), key, epoch, CancellationToken.None);
            }
        }
    }

    private async Task<JobResult> ExecuteAsync(IBlobStore store, TensorBlobs tensors, IProgressSink sink, bool fresh, CancellationToken interruption)
    {
        var profile = run.Job.Plan.Settings.Profile;
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        using var runner = new UnitRunner(new ModelRuntime(environment, NumericProfiles.ProviderOf(profile)), NumericProfiles.WidthOf(profile), _clock);
        await using var host = new EmbeddedHost(store, EmbeddedHostOptions.Default with { Telemetry = telemetry.Grains }, _clock);
        var worker = new WorkerLoop(
            host.Scheduler, telemetry.Traced(runner), tensors, WorkerOptions.Create(WorkerName, profile, options.Slots), _clock, new WorkerMeans { Observer = telemetry.Watch(WorkerName) });
        using var drain = new CancellationTokenSource();
        var job = host.Model(Tenant, run.Job.Plan.ComputeJobId());
        await job.StartAsync(new JobStart(Tenant, run.Job.Plan, fresh) { Trace = Activity.Current?.Id }, CancellationToken.None);
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
            // Where it failed, that was the job's end or is none of its concern any more.
            await working.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }

    /// <summary>The job's end, or whatever makes it impossible.</summary>
    private async Task<JobResult> EndAsync(IModelGrain job, Task<Exception> fault, Task working, CancellationToken interruption)
    {
        var result = job.ResultAsync(CancellationToken.None);
        var interrupted = new TaskCompletionSource();
        await using (interruption.Register(interrupted.SetResult))
            await Task.WhenAny(result, fault, working, interrupted.Task);
        if (interrupted.Task.IsCompleted && !result.IsCompleted)
            await job.StopAsync("interrupted", resumable: true, CancellationToken.None);
        else if ((working.Exception?.InnerException ?? (fault.IsCompleted ? await fault : null)) is { } cause && !result.IsCompleted)
            await FailAsync(job, cause);
        return await result;
    }

    /// <summary>Lets the job end with all that its grains know; where the fault is in the way of that, too, it is thrown.</summary>
    private async Task FailAsync(IModelGrain job, Exception cause)
    {
        _fault = new RunFault(cause);
        try
        {
            await job.FailAsync(_fault.Reason, CancellationToken.None);
        }
        catch (Exception)
        {
            ExceptionDispatchInfo.Throw(cause);
        }
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
            _record.See(progress, sink);
        }
    }

    /// <summary>Null where the store lies in no folder: adding up a container would take as long as listing it.</summary>
    private static long? StoreBytes(PreparedRun run) => run.Store.Address.Folder is { } folder ? FolderSize.Of(folder) : null;

    private static void Warn(PreparedRun run, VerbContext context)
    {
        foreach (var warning in run.Preflight.Warnings)
            context.People.MarkupLineInterpolated($"[yellow]warning[/]: {warning}");
    }

    private int TellHowToResume()
    {
        context.WriteError(new Output.ErrorBody(
            "interrupted", "stopped before the job was done; everything committed is kept", run.Job.Recipe.Stamp.File, "Run the same command again to resume."));
        return ExitCodes.Interrupted;
    }

    private JobReport Report(JobResult result)
    {
        using var process = Process.GetCurrentProcess();
        var seconds = _clock.GetElapsedTime(_start).TotalSeconds;
        var actual = new Consumption(
            seconds, (Environment.CpuUsage.TotalTime - _cpuBefore).TotalSeconds, process.PeakWorkingSet64, StoreBytes(run) - _storeBefore);
        var isWhole = result.Status == JobStatus.Succeeded && result.Summary.Reused == 0;
        var facts = new ReportFacts(result.Status, result.Reason, result.Model?.Sha256, seconds, process.PeakWorkingSet64)
        {
            Estimate = EstimateReport.Of(run.Preflight.Estimate, actual, _phases.Seconds, isWhole, run.Preflight.Warnings),
            Incidents = _record.Incidents,
        };
        return JobReportBuilder.Build(run.Job.Plan, run.Job.Outline, result.Summary, facts);
    }

    private Provenance Provenance(JobResult result) => new()
    {
        Product = new ProductStamp("Orchestrator", OrcCommand.Version, OrtEnvironment.RuntimeVersion),
        Job = result.Job.JobId,
        Recipe = run.Job.Recipe.Stamp,
        Model = run.Job.Model.Stamp,
        Calibration = run.Job.Calibration.Stamp,
        Evaluation = run.Job.Evaluation?.Stamp,
        PlanSha256 = run.Job.Plan.ComputeDigest(),
        Profile = run.Job.Plan.Settings.Profile,
        Seed = run.Job.Plan.Settings.Seed,
        ManifestSha256 = result.Fold.Length == 0 ? null : result.Fold,
        ResultSha256 = result.Model?.Sha256,
        Started = _started,
        Ended = _clock.GetUtcNow(),
    };
}
