using System.Runtime.CompilerServices;
using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints;
using Orchestrator.Grains;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Silo.Jobs;
using Orleans;
using Orleans.Concurrency;
using Orleans.Runtime;
using Orleans.Storage;

namespace Orchestrator.Silo;

/// <summary>
/// A job. That it shall run is kept in the store: where its activation is lost, the next call or its reminder starts it again on any
/// silo, from its commits. While it runs it looks for the grains it depends on, and begins anew where one of them has lost its memory.
/// </summary>
[Reentrant]
internal sealed partial class SiloModelGrain(
    SiloParts parts, ILogger<SiloModelGrain> logger, [PersistentState("running", BlobGrainStorage.Name)] IPersistentState<RunningJob> running)
    : SiloGrain<IModelGrain>(parts), ISiloModelGrain, IRemindable
{
    private const string Reminder = "running";

    private Task _resumed = Task.CompletedTask;
    private StartedJob? _started;

    private string Tenant => Key.Split('/')[1];

    private string JobId => Key.Split('/')[2];

    public override async Task OnActivateAsync(CancellationToken cancellationToken)
    {
        await base.OnActivateAsync(cancellationToken);
        if (running.RecordExists)
            _resumed = Turns.TurnAsync(ResumeAsync);
    }

    public Task<JobStarted> StartAsync(JobStart start, CancellationToken cancellationToken) => TurnAsync(async (g, stopping) =>
    {
        await this.RegisterOrUpdateReminder(Reminder, Parts.Options.Reminder, Parts.Options.Reminder, stopping);
        var started = await BeginAsync(g, start, stopping);
        await KeepAsync(new RunningJob(started.Job.Generation, started.Job.Run, null));
        _resumed = Task.CompletedTask;
        return started;
    });

    public async IAsyncEnumerable<JobProgress> WatchAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await _resumed.WaitAsync(cancellationToken);
        using var watching = CancellationTokenSource.CreateLinkedTokenSource(cancellationToken, Host.Stopping);
        var grain = await Turns.InterleaveAsync(Task.FromResult);
        await foreach (var progress in grain.WatchAsync(watching.Token))
            yield return progress;
    }

    public Task<ModelStanding?> DescribeAsync(int most, CancellationToken cancellationToken) =>
        WaitResumedAsync((g, waiting) => g.DescribeAsync(most, waiting), cancellationToken);

    public Task<JobResult> ResultAsync(CancellationToken cancellationToken) => WaitResumedAsync((g, waiting) => g.ResultAsync(waiting), cancellationToken);

    public Task StopAsync(string reason, bool resumable, CancellationToken cancellationToken) => TurnAsync(async (g, stopping) =>
    {
        // What shall be is written first: a silo that dies in between must neither go on with the job nor forget to end it.
        if (running.RecordExists && resumable)
            await ForgetAsync();
        else if (running.RecordExists)
            await KeepAsync(running.State with { Cancel = reason });
        // A job that could not be started again so far is not ended either.
        await ResumeAsync(g);
        await g.StopAsync(reason, resumable, stopping);
        await ForgetAsync();
    });

    public Task FailAsync(string reason, CancellationToken cancellationToken) => TurnAsync(async (g, stopping) =>
    {
        // A job that does not run here has nothing to end; its fault is an old one.
        if (_started is null)
            return;
        await g.FailAsync(reason, stopping);
        await ForgetAsync();
    });

    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) => TellAsync((g, stopping) => g.AttemptsEndedAsync(ended, stopping));

    public Task LayerProgressedAsync(LayerProgress progress, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.LayerProgressedAsync(progress, stopping));

    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.LayerEndedAsync(ended, stopping));

    public Task LayerStarvedAsync(JobPlace place, int layer, BlobRef damaged, CancellationToken cancellationToken) =>
        TurnAsync((g, stopping) => g.LayerStarvedAsync(place, layer, damaged, stopping));

    public Task StoreFailedAsync(JobPlace place, string reason, CancellationToken cancellationToken) => TurnAsync((g, stopping) => g.StoreFailedAsync(place, reason, stopping));

    /// <summary>Orleans asks whether the job still needs waking.</summary>
    public Task ReceiveReminder(string reminderName, TickStatus status)
    {
        if (running.RecordExists && _started is null)
            return _resumed = Turns.TurnAsync(ResumeAsync);
        return Turns.TurnAsync(_ => _started is { HasEnded: true } ? ForgetAsync() : UnregisterAsync());
    }

    protected override IModelGrain Create(IGrainHost host) => new ModelGrain(host, Parts.Checkpoints, Parts.Options.Retry, Parts.Options.Telemetry);

    /// <summary>Asks when the job goes on again. No longer than callers wait: whoever still wants to know asks once more.</summary>
    private Task<TResult> WaitResumedAsync<TResult>(Func<IModelGrain, CancellationToken, Task<TResult>> call, CancellationToken cancellationToken)
    {
        var resumed = _resumed;
        return WaitAsync(async (g, waiting) =>
        {
            await resumed.WaitAsync(waiting);
            return await call(g, waiting);
        }, Parts.Options.ResponseTimeout / 2, cancellationToken);
    }

    /// <summary>Starts the job in this activation.</summary>
    private async Task<JobStarted> BeginAsync(IModelGrain grain, JobStart start, CancellationToken cancellationToken)
    {
        // Before anything is offered to it: should it be another one later, offers were lost.
        var scheduler = await Parts.Scheduler.ActivationAsync(cancellationToken);
        var started = await grain.StartAsync(start, cancellationToken);
        if (_started?.Place == started.Job)
            return started;
        _started?.Pulse.Dispose();
        var pulse = this.RegisterGrainTimer(PulseAsync, new GrainTimerCreationOptions(Parts.Options.Pulse, Parts.Options.Pulse) { Interleave = true, KeepAlive = true });
        _started = new StartedJob(started.Job, start.Plan, scheduler, pulse);
        _ = ObserveEndAsync(_started, Host);
        return started;
    }

    /// <summary>Goes on with a job that was started by another activation, or ends it as that one was to.</summary>
    private async Task ResumeAsync(IModelGrain grain)
    {
        if (!running.RecordExists || _started is not null)
            return;
        var (job, stopping) = (running.State, Host.Stopping);
        var end = await Parts.Checkpoints.ReadLastEndAsync(new JobScope(Tenant, JobId, job.Generation), stopping);
        var plan = end?.Run >= job.Run ? null : await Parts.Checkpoints.ReadPlanAsync(Tenant, JobId, stopping);
        if (plan is null)
        {
            LogOver(logger, Key);
            await ForgetAsync();
            return;
        }

        LogResumed(logger, Key);
        await BeginAsync(grain, new JobStart(Tenant, plan, Fresh: false), stopping);
        if (job.Cancel is { } reason)
        {
            await grain.StopAsync(reason, resumable: false, stopping);
            await ForgetAsync();
        }
    }

    /// <summary>Looks for what the job depends on; begins the job anew, from its commits, where something of it is lost.</summary>
    private async Task PulseAsync()
    {
        if (_started is not { } job)
            return;
        var lost = await LostAsync(job);
        if (_started != job || job.HasEnded)
            return;
        if (lost.Count == 0)
        {
            await TurnAsync((g, stopping) => YieldAsync(job, g, stopping));
            return;
        }

        LogLost(logger, Key, string.Join(", ", lost));
        job.Pulse.Dispose();
        _started = null;
        Renew();
        _resumed = Turns.TurnAsync(ResumeAsync);
        await _resumed;
    }

    /// <summary>Stops a job here that another activation has ended: there are two of this grain for a while when membership changes.</summary>
    private async Task YieldAsync(StartedJob job, IModelGrain grain, CancellationToken stopping)
    {
        if (_started != job || job.HasEnded)
            return;
        await running.ReadStateAsync(stopping);
        if (running.RecordExists)
            return;
        var end = await Parts.Checkpoints.ReadLastEndAsync(new JobScope(Tenant, JobId, job.Place.Generation), stopping);
        // One that has succeeded comes to the same end here, with nothing left to commit.
        if (end is not { Status: JobStatus.Succeeded })
            await grain.StopAsync("Another activation has ended the job.", resumable: true, stopping);
    }

    private async Task<IReadOnlyList<string>> LostAsync(StartedJob job)
    {
        var stopping = Host.Stopping;
        if (await Parts.Scheduler.ActivationAsync(stopping) != job.Scheduler)
            return [GrainKeys.Scheduler];
        var asked = new Dictionary<string, Task<JobPlace?>>(StringComparer.Ordinal);
        foreach (var name in await RunningLayersAsync(stopping))
        {
            var layer = job.Layers[name];
            var (layerKey, blockKey) = (GrainKeys.Layer(Tenant, JobId, layer.Index), GrainKeys.Block(Tenant, JobId, layer.Block));
            asked[layerKey] = Parts.Grains.GetGrain<ISiloLayerGrain>(layerKey).PlaceAsync(stopping);
            if (!asked.ContainsKey(blockKey))
                asked[blockKey] = Parts.Grains.GetGrain<ISiloBlockGrain>(blockKey).PlaceAsync(stopping);
        }

        await Task.WhenAll(asked.Values);
        var known = new List<KeyValuePair<string, JobPlace?>>();
        foreach (var (key, place) in asked)
            known.Add(new(key, await place));
        return job.Missing.Take(job.Place, known);
    }

    private async Task<IReadOnlyList<string>> RunningLayersAsync(CancellationToken cancellationToken)
    {
        var grain = await Turns.InterleaveAsync(Task.FromResult);
        await foreach (var now in grain.WatchAsync(cancellationToken))
            return now.Layers;
        return [];
    }

    private async Task ObserveEndAsync(StartedJob job, SiloGrainHost host)
    {
        try
        {
            await Turns.InterleaveAsync(g => g.ResultAsync(host.Stopping));
            job.HasEnded = true;
            await Turns.TurnAsync(async _ =>
            {
                if (_started != job)
                    return;
                job.Pulse.Dispose();
                await ForgetAsync();
            });
        }
        catch (OperationCanceledException) when (host.Stopping.IsCancellationRequested)
        {
            // The job goes on with another activation.
        }
        catch (Exception cause)
        {
            // Its end is recorded; the reminder finds that and forgets the job.
            LogNotForgotten(logger, Key, cause);
        }
    }

    private Task KeepAsync(RunningJob job) => ChangeAsync(() =>
    {
        running.State = job;
        return running.WriteStateAsync();
    });

    private async Task ForgetAsync()
    {
        await ChangeAsync(() => running.RecordExists ? running.ClearStateAsync() : Task.CompletedTask);
        await UnregisterAsync();
    }

    /// <summary>Changes what is kept; again where another activation was faster, since the last word counts.</summary>
    private async Task ChangeAsync(Func<Task> change)
    {
        while (true)
        {
            try
            {
                await change();
                return;
            }
            catch (InconsistentStateException)
            {
                await running.ReadStateAsync();
            }
        }
    }

    private async Task UnregisterAsync()
    {
        if (!running.RecordExists && await this.GetReminder(Reminder) is { } reminder)
            await this.UnregisterReminder(reminder);
    }
}
