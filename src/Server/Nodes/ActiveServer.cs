using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Jobs;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Nodes;

/// <summary>What the active server does in one tenure: makes a coordinator, runs the jobs that shall run, makes the coordinator anew where it fails.</summary>
public sealed class ActiveServer
{
    /// <summary>A job under which the coordinator failed this often in a row is left alone.</summary>
    private const int MostStrikes = 5;

    private static readonly TimeSpan s_longestPause = TimeSpan.FromMinutes(1);

    private readonly ServerNodeOptions _options;
    private readonly ServerNodeParts _parts;
    private readonly TaskCompletionSource _listed = new(TaskCreationOptions.RunContinuationsAsynchronously);
    private CoordinatorSession? _session;

    internal ActiveServer(Tenure tenure, ServerNodeOptions options, ServerNodeParts parts)
    {
        (Tenure, _options, _parts) = (tenure, options, parts);
        Registry = new JobRegistry(parts.Store, new ClusterHeads(parts.Store, $"{parts.Identity.Process}-{tenure.Term}"));
        Workers = new WorkerRoster(parts.Clock);
        Jobs = new JobDesk(this, parts);
    }

    public Tenure Tenure { get; }

    public WorkerRoster Workers { get; }

    public JobDesk Jobs { get; }

    /// <exception cref="RefusedException">There is none at the moment.</exception>
    public ISchedulerGrain Scheduler => Session?.Coordinator.Scheduler ?? throw new RefusedException(
        Refusal.Unavailable, "coordinator-restarting", _parts.Identity.Name, "The coordinator is being made anew.", "Ask again in a second.");

    internal JobRegistry Registry { get; }

    /// <summary>Null while there is no coordinator.</summary>
    internal CoordinatorSession? Session => Volatile.Read(ref _session);

    /// <summary>All jobs are listed.</summary>
    internal Task Listed => _listed.Task;

    /// <summary>Works until the tenure is over or the stop is asked for.</summary>
    internal async Task RunAsync(CancellationToken stop)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(Tenure.Over, stop);
        var saving = SaveLogsAsync(over.Token);
        try
        {
            for (var pause = _options.Pause; !over.IsCancellationRequested; pause = pause * 2 < s_longestPause ? pause * 2 : s_longestPause)
            {
                var began = _parts.Clock.GetTimestamp();
                await RunSessionAsync(over.Token);
                if (_parts.Clock.GetElapsedTime(began) > s_longestPause)
                    pause = _options.Pause;
                await Task.Delay(pause, _parts.Clock, over.Token);
            }
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The end of every tenure.
        }

        await saving;
        _listed.TrySetCanceled(CancellationToken.None);
    }

    private async Task RunSessionAsync(CancellationToken over)
    {
        var session = new CoordinatorSession(_parts.Coordinators(Tenure.Term), Registry, _parts.Clock);
        Volatile.Write(ref _session, session);
        var starting = StartJobsAsync(session, over);
        try
        {
            await session.Coordinator.Fault.OrAsync(over);
            Strike(await session.Coordinator.Fault);
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The tenure is over, or the server stops.
        }
        finally
        {
            // Whoever is deposed stops at once; what it still commits is fenced.
            if (!Tenure.IsOver)
                await StopJobsAsync(session);
            Volatile.Write(ref _session, null);
            await session.DisposeAsync();
            await starting;
        }
    }

    /// <summary>Lets turns under way come to their end, so that a pause or a cancel that is answered next means what it says.</summary>
    private async Task StopJobsAsync(CoordinatorSession session)
    {
        try
        {
            await session.StopAllAsync("The server stops.").WaitAsync(_options.Farewell, _parts.Clock, Tenure.Over);
        }
        catch (Exception cause) when (cause is TimeoutException or IOException or OperationCanceledException)
        {
            _parts.Notice(new ServerNotice("coordinator-failed", "Jobs did not stand still in time.", cause));
        }
    }

    private async Task StartJobsAsync(CoordinatorSession session, CancellationToken over)
    {
        try
        {
            var jobs = new Queue<JobEntry>(await PatientAsync(() => Registry.ListAsync(over), over));
            _listed.TrySetResult();
            await Task.WhenAll(Enumerable.Range(0, _options.Starts).Select(_ => StartFromAsync(jobs, session, over)));
        }
        catch (OperationCanceledException) when (over.IsCancellationRequested)
        {
            // The session ended first.
        }
    }

    private async Task StartFromAsync(Queue<JobEntry> jobs, CoordinatorSession session, CancellationToken over)
    {
        while (true)
        {
            JobEntry? entry;
            lock (jobs)
            {
                if (!jobs.TryDequeue(out entry))
                    return;
            }

            await PatientAsync(() => StartAsync(entry, session, over), over);
        }
    }

    private async Task<bool> StartAsync(JobEntry entry, CoordinatorSession session, CancellationToken over)
    {
        JobRun? run = null;
        await entry.Gate.WaitAsync(over);
        try
        {
            await LoadAsync(entry, over);
            if (entry.State == JobState.Queued && entry.Head is not null && (entry.Trouble is null || entry.Trouble.Code == Trouble.StoreAway) && (run = session.Start(entry)) is not null)
            {
                _parts.Instruments?.Recovered(planned: Tenure.IsHandedOver && entry.Strikes == 0);
                entry.Note(new JobLogLine(_parts.Clock.GetUtcNow(), "take-over", null, $"'{_parts.Identity.Name}' runs the job (term {Tenure.Term})."));
            }
        }
        finally
        {
            entry.Gate.Release();
        }

        if (run is not null)
            await run.Begun.OrAsync(over);
        else if (entry is { End: null, Head.Wish: JobWish.Cancel })
            await EndCancelledAsync(entry);
        return true;
    }

    /// <summary>Records the end of a job that was cancelled while it did not run: its wish says so already, and its commits are folded first, which may take a while.</summary>
    internal async Task EndCancelledAsync(JobEntry entry)
    {
        try
        {
            await entry.Gate.WaitAsync(Tenure.Over);
            try
            {
                await PatientAsync(
                    async () =>
                    {
                        await Jobs.EndCancelledAsync(entry, Tenure.Over);
                        return true;
                    },
                    Tenure.Over);
            }
            finally
            {
                entry.Gate.Release();
            }
        }
        catch (Exception cause) when (cause is OperationCanceledException or InputException or RefusedException)
        {
            // The wish stands for the end, and the next server tries again.
        }
    }

    /// <summary>Reads a job that this server has not seen yet. Its gate is held.</summary>
    internal async Task LoadAsync(JobEntry entry, CancellationToken cancellationToken)
    {
        if (entry.IsLoaded)
            return;
        await Registry.LoadAsync(entry, cancellationToken);
        entry.IsLoaded = true;
    }

    /// <summary>Again for as long as the store is away.</summary>
    private async Task<T> PatientAsync<T>(Func<Task<T>> act, CancellationToken over)
    {
        while (true)
        {
            try
            {
                return await act();
            }
            catch (Exception away) when (away is IOException or UnauthorizedAccessException)
            {
                _parts.Notice(new ServerNotice("store-unavailable", away.Message, away));
                await Task.Delay(_options.Pause, _parts.Clock, over);
            }
        }
    }

    private void Strike(Exception fault)
    {
        _parts.Notice(new ServerNotice("coordinator-failed", $"{fault.GetType().Name}: {fault.Message}", fault));
        foreach (var entry in Registry.Entries.Where(e => e.IsRunning))
        {
            entry.Note(new JobLogLine(_parts.Clock.GetUtcNow(), "coordinator-failed", null, $"The coordinator failed and is made anew: {fault.Message}"));
            // A store that is away is nobody's fault.
            if (fault is not (IOException or UnauthorizedAccessException) && ++entry.Strikes >= MostStrikes)
                entry.Trouble = new Trouble("coordinator-failed", $"The coordinator failed {entry.Strikes} times under this job: {fault.Message}", "Report it as a fault of orc; `orc retry` starts the job again.");
        }
    }

    private async Task SaveLogsAsync(CancellationToken over)
    {
        while (true)
        {
            var isLast = over.IsCancellationRequested;
            try
            {
                if (!Tenure.IsOver)
                    await Registry.SaveLogsAsync(CancellationToken.None);
            }
            catch (Exception away) when (away is IOException or UnauthorizedAccessException)
            {
                // They are kept in memory and saved the next time.
            }

            if (isLast)
                return;
            await Task.Delay(_options.SaveLogs, _parts.Clock, over).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
    }
}
