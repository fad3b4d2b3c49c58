using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>A job in a coordinator: started, watched to its end, and started again where the store was away.</summary>
internal sealed class JobRun : IDisposable
{
    private static readonly TimeSpan s_firstPause = TimeSpan.FromSeconds(2);
    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    private readonly JobEntry _entry;
    private readonly JobRegistry _registry;
    private readonly TimeProvider _clock;
    private readonly IModelGrain _model;
    private readonly CancellationTokenSource _stop;
    private readonly TaskCompletionSource _begun = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private Task? _starting;
    private bool _hasEnded;

    private JobRun(JobEntry entry, ICoordinator coordinator, JobRegistry registry, TimeProvider clock, CancellationToken session)
    {
        (_entry, _registry, _clock) = (entry, registry, clock);
        _model = coordinator.Model(entry.Tenant, entry.Id);
        _stop = CancellationTokenSource.CreateLinkedTokenSource(session);
        Over = Task.CompletedTask;
    }

    /// <summary>The job has ended, was stopped or cannot run.</summary>
    public Task Over { get; private set; }

    /// <summary>Its first start is done with, well or not.</summary>
    public Task Begun => _begun.Task;

    public static JobRun Start(JobEntry entry, ICoordinator coordinator, JobRegistry registry, TimeProvider clock, CancellationToken session)
    {
        var run = new JobRun(entry, coordinator, registry, clock, session);
        run.Over = run.RunAsync(run._stop.Token);
        return run;
    }

    /// <summary>When the call returns nothing of the job is committed any more.</summary>
    public async Task StopAsync(string reason, bool resumable)
    {
        Cancel();
        await Over;
        if (_starting is null)
            return;
        // A start under way would come after the stop.
        await _starting.ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        await _model.StopAsync(reason, resumable, CancellationToken.None);
        if (!resumable && _starting.IsCompletedSuccessfully)
            _entry.Result = await _model.ResultAsync(CancellationToken.None);
    }

    public void Dispose() => _stop.Dispose();

    private async Task RunAsync(CancellationToken stop)
    {
        try
        {
            for (var pause = s_firstPause; !await AttemptAsync(stop); pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause)
            {
                _begun.TrySetResult();
                await Task.Delay(pause, _clock, stop);
            }
        }
        catch (OperationCanceledException) when (stop.IsCancellationRequested)
        {
            // Stopped, or its coordinator is.
        }
        finally
        {
            _entry.Leave(this);
            _begun.TrySetResult();
        }
    }

    /// <returns>False where it has to be tried again.</returns>
    private async Task<bool> AttemptAsync(CancellationToken stop)
    {
        try
        {
            return _hasEnded ? await FindEndAsync(stop) : await CarryOutAsync(stop);
        }
        catch (Exception away) when (away is IOException or UnauthorizedAccessException)
        {
            return Away(away.Message);
        }
        catch (RefusedException damaged)
        {
            _entry.Trouble = new Trouble(damaged.Code, damaged.Message, damaged.Remedy);
            return true;
        }
        catch (InputException wrong)
        {
            _entry.Trouble = new Trouble(wrong.Code, wrong.Message, wrong.Remedy);
            return true;
        }
#pragma warning disable CA1031 // A mistake that one job meets is told as that job's trouble; others go on.
        catch (Exception fault) when (!stop.IsCancellationRequested)
#pragma warning restore CA1031
        {
            _entry.Trouble = new Trouble("internal-error", $"{fault.GetType().Name}: {fault.Message}", "Report it as a fault of orc; `orc retry` starts the job again.");
            Note("internal-error", fault.ToString());
            return true;
        }
    }

    private async Task<bool> CarryOutAsync(CancellationToken stop)
    {
        await _registry.ReadHistoryAsync(_entry, stop);
        var plan = await _registry.ReadPlanAsync(_entry, stop);
        _starting = _model.StartAsync(new JobStart(_entry.Tenant, plan, Fresh: false) { Trace = _entry.Head?.Trace }, CancellationToken.None);
        await _starting.OrAsync(stop);
        _begun.TrySetResult();
        _entry.Begin(this);
        try
        {
            await foreach (var progress in _model.WatchAsync(stop))
                See(progress);
            var result = await _model.ResultAsync(stop);
            _entry.Result = result;
            if (result.Status == JobStatus.Interrupted)
                return true;
            if (!result.IsRecorded)
                return Away(result.Reason ?? "The store failed.");
        }
        finally
        {
            _entry.Leave(this);
        }

        _hasEnded = true;
        return await FindEndAsync(stop);
    }

    private async Task<bool> FindEndAsync(CancellationToken stop)
    {
        await _registry.LoadEndAsync(_entry, stop);
        if (_entry.End is { } end)
            Note("ended", end.Record.Reason is { } reason ? $"{end.Record.Status}: {reason}" : end.Record.Status.ToString());
        else
            _entry.Trouble ??= new Trouble("end-damaged", "The job has ended, and what is stored of its end is damaged.", "Use `orc retry`: what is committed is not computed again.");
        return true;
    }

    private bool Away(string reason)
    {
        if (_entry.Trouble?.Code != Trouble.StoreAway)
            Note(Trouble.StoreAway, reason);
        _entry.Trouble = new Trouble(Trouble.StoreAway, reason, "Nothing is needed once the store is well again: the job goes on by itself.");
        return false;
    }

    private void See(JobProgress progress)
    {
        foreach (var happened in progress.Events)
            Note(happened.Kind, happened.Message, happened.Layer);
        if (progress.UnitsDone > (_entry.Progress?.UnitsDone ?? 0))
            _entry.Strikes = 0;
        _entry.See(progress, _clock.GetTimestamp());
    }

    private void Note(string kind, string message, string? layer = null) => _entry.Note(new JobLogLine(_clock.GetUtcNow(), kind, layer, message));

    /// <summary>On this thread, so that nothing leaves the caller's scheduler.</summary>
    private void Cancel()
    {
        try
        {
            _stop.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // Another one stopped it at the same moment.
        }
    }
}
