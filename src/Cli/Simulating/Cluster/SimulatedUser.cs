using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>Who wants a job's result: hands it in, changes its mind now and then while things go wrong, and then sees it through to its end. Asks the servers in turn until one answers.</summary>
internal sealed class SimulatedUser(SimulatedCluster cluster, SimulatedProcess process, SimulatedJob job)
{
    private const double Moods = 0.25;

    private static readonly TimeSpan s_look = TimeSpan.FromSeconds(6);
    private static readonly TimeSpan s_patience = TimeSpan.FromSeconds(30);

    private readonly JobPromises _promises = new(cluster.World, cluster.Witness, job);
    private readonly Dice _pace = new(6, process.Name);
    private int _server;
    private int _rescues;

    public async Task RunAsync()
    {
        try
        {
            while (await AskAsync("submit", isRun: true, server => server.SubmitAsync(job)) is null)
                await Task.Delay(s_look, process.Clock);
            _promises.TakenIn();
            while (!await LookAsync())
                await Task.Delay(s_look, process.Clock);
        }
        catch (Exception cause)
        {
            cluster.World.Report("whoever hands a job in is answered", cause.ToString());
        }
    }

    /// <returns>Whether the job has succeeded.</returns>
    private async Task<bool> LookAsync()
    {
        if (cluster.Faults.Strike("user", Moods) is { } mood)
            await ActAsync(mood);
        var sent = cluster.World.Now;
        if (await AskAsync("describe", isRun: false, async server => (await server.Node.Active().Jobs.DescribeAsync(job.Owner, job.Id, CancellationToken.None)).Job) is not { } view)
            return false;
        _promises.Seen(view, sent);
        if (view is { State: JobState.Ended, Status: JobStatus.Succeeded })
            return await FetchAsync();
        if (cluster.Faults.IsOver)
            await SeeThroughAsync(view);
        return false;
    }

    private async Task ActAsync(Dice mood)
    {
        switch (mood.Next(6))
        {
            case 0:
            case 1:
                await StopAsync("pause", JobState.Paused, server => server.Node.Active().Jobs.PauseAsync(job.Owner, job.Id, CancellationToken.None));
                break;
            case 2:
                await StopAsync("cancel", JobState.Ended, server => server.Node.Active().Jobs.CancelAsync(job.Owner, job.Id, CancellationToken.None));
                break;
            case 3:
                await RetryAsync();
                break;
            default:
                await ResumeAsync();
                break;
        }
    }

    private Task<JobView?> ResumeAsync() => AskAsync("resume", isRun: true, server => server.Node.Active().Jobs.ResumeAsync(job.Owner, job.Id, CancellationToken.None));

    private Task<JobView?> RetryAsync() => AskAsync("retry", isRun: true, server => server.Node.Active().Jobs.RetryAsync(job.Owner, job.Id, CancellationToken.None));

    private async Task StopAsync(string verb, JobState state, Func<SimulatedServer, Task<JobView>> stop)
    {
        var sent = cluster.World.Now;
        if (await AskAsync(verb, isRun: false, stop) is not null)
            _promises.Stopped(verb, state, sent);
    }

    /// <summary>When nothing goes wrong any more a job that was asked to run has to end.</summary>
    private Task SeeThroughAsync(JobView view) => view.State switch
    {
        JobState.Paused => ResumeAsync(),
        // Its files are put into the store anew every other time.
        JobState.Ended when ++_rescues % 2 == 0 => RetryAsync(),
        JobState.Ended => AskAsync("submit", isRun: true, server => server.SubmitAsync(job)),
        JobState.Queued when ++_rescues % 20 == 0 => AskAsync("submit", isRun: true, server => server.SubmitAsync(job)),
        _ => Task.CompletedTask,
    };

    private async Task<bool> FetchAsync()
    {
        var outcome = await AskAsync("outcome", isRun: false, server => server.Node.Active().Jobs.OutcomeAsync(job.Owner, job.Id, CancellationToken.None));
        if (outcome is not null)
            cluster.Ended(job, outcome.Result);
        else if (cluster.Faults.IsOver && ++_rescues % 10 == 0)
            // What the report is made from may be damaged.
            await AskAsync("submit", isRun: true, server => server.SubmitAsync(job));
        return outcome is not null;
    }

    /// <returns>Null where no server answered or the active one refused.</returns>
    private async Task<T?> AskAsync<T>(string message, bool isRun, Func<SimulatedServer, Task<T>> call)
        where T : class
    {
        for (var turn = 0; turn < cluster.Addresses.Count; turn++)
        {
            var (answer, isElsewhere) = await AskAsync(cluster.Addresses[_server], message, isRun, call);
            if (!isElsewhere)
                return answer;
            _server = (_server + 1) % cluster.Addresses.Count;
        }

        return null;
    }

    private async Task<(T? Answer, bool IsElsewhere)> AskAsync<T>(Uri address, string message, bool isRun, Func<SimulatedServer, Task<T>> call)
        where T : class
    {
        var answer = new TaskCompletionSource<(T?, bool)>(TaskCreationOptions.RunContinuationsAsynchronously);
        var fault = cluster.Faults.Next($"{process.Name}/{message}");
        cluster.World.Trace.Note(cluster.World.Now, process.Name, $"{message} to {address.Host}{(fault == Fault.None ? "" : $": {fault}")}");
        var dice = new Dice(2, $"{process.Name}{message}{cluster.World.Now.Ticks}");
        switch (fault)
        {
            case Fault.Failed:
                cluster.World.After(Pace(), () => answer.TrySetResult((null, true)));
                break;
            case Fault.Lost:
                break;
            case Fault.AnswerLost:
                Send(Pace(), null);
                break;
            case Fault.Late:
                Send(s_patience + dice.Between(0, 60), null);
                break;
            default:
                Send(fault == Fault.Delayed ? dice.Between(0.5, 20) : Pace(), answer);
                if (fault == Fault.Duplicated)
                    Send(dice.Between(0, 60), null);
                break;
        }

        cluster.World.After(s_patience, () => answer.TrySetResult((null, true)));
        return await answer.Task;

        void Send(TimeSpan delay, TaskCompletionSource<(T?, bool)>? to)
        {
            var delivery = isRun ? _promises.RunSent() : null;
            cluster.World.After(delay, () => Deliver(address, message, call, to, delivery));
        }
    }

    /// <param name="delivery">Of a message that asks the job to run; null for others.</param>
    private void Deliver<T>(Uri address, string message, Func<SimulatedServer, Task<T>> call, TaskCompletionSource<(T?, bool)>? answer, RunDelivery? delivery)
        where T : class
    {
        if (cluster.ServerAt(address) is not { Process.IsDead: false } there)
        {
            delivery?.End(cluster.World.Now);
            cluster.World.After(Pace(), () => answer?.TrySetResult((null, true)));
            return;
        }

        delivery?.Reach(there.Process);
        _ = there.Process.Run(async () =>
        {
            (T?, bool) result;
            try
            {
                result = (await call(there), false);
            }
            catch (RefusedException refused)
            {
                if (refused.Code == "job-not-found" && answer is not null)
                    _promises.NotFound();
                cluster.World.Trace.Note(cluster.World.Now, there.Process.Name, $"refuses {message}: {refused.Code}");
                result = (null, refused.Refusal == Refusal.Unavailable);
            }
            catch (Exception away) when (away is OperationCanceledException or IOException)
            {
                result = (null, true);
            }
            catch (Exception cause)
            {
                cluster.World.Report("servers do not fail", cause.ToString());
                return;
            }

            delivery?.End(cluster.World.Now);
            cluster.World.After(Pace(), () => answer?.TrySetResult(result));
        });
    }

    private TimeSpan Pace() => _pace.Between(0.001, 0.02);
}
