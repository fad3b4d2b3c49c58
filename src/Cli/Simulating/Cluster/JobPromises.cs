using Orchestrator.Cli.Simulating.World;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>What a user was promised of one job, and whether what is seen keeps it.</summary>
internal sealed class JobPromises(SimulatedWorld world, Witness witness, SimulatedJob job)
{
    private readonly List<RunDelivery> _runs = [];
    private (string Verb, JobState State, TimeSpan Since)? _stopped;
    private bool _isTakenIn;

    /// <summary>A submission was answered.</summary>
    public void TakenIn() => _isTakenIn = true;

    /// <summary>A message that asks the job to run is on its way: from now on it may.</summary>
    public RunDelivery RunSent()
    {
        _stopped = null;
        witness.MayCommit(job.Owner);
        var delivery = new RunDelivery();
        _runs.Add(delivery);
        return delivery;
    }

    /// <summary>A pause or a cancel was answered. It counts unless something that asks for the contrary was under way beside it.</summary>
    public void Stopped(string verb, JobState state, TimeSpan sent)
    {
        _runs.RemoveAll(run => run.IsOver(before: sent));
        if (_runs.Count > 0)
            return;
        _stopped = (verb, state, world.Now);
        witness.MayNotCommit(job.Owner);
    }

    /// <param name="sent">When it was asked for.</param>
    public void Seen(JobView view, TimeSpan sent)
    {
        witness.Claimed(view);
        // A pause of a job that has ended meanwhile finds it ended.
        if (_stopped is { } stopped && sent > stopped.Since && view.State != stopped.State && view.State != JobState.Ended)
            world.Report($"what is answered to a {stopped.Verb} stays", $"job {job.Id} is {view.State}");
    }

    public void NotFound()
    {
        if (_isTakenIn)
            world.Report("a job that was taken in is not lost", $"job {job.Id} is not found");
    }
}

/// <summary>A message on its way to a server, and what it does there.</summary>
internal sealed class RunDelivery
{
    private SimulatedProcess? _at;
    private TimeSpan? _over;

    public void Reach(SimulatedProcess process) => _at = process;

    public void End(TimeSpan now) => _over = now;

    /// <summary>Whether it had done all that it ever will.</summary>
    public bool IsOver(TimeSpan before) => _over < before || _at is { IsDead: true };
}
