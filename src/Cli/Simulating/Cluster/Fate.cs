using Orchestrator.Cli.Simulating.Faults;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>What befalls whole processes: crashes, pauses, a second coordinator, a store that is away, a user who stops.</summary>
internal sealed class Fate(SimulatedCluster cluster, SimulatedShape shape)
{
    /// <summary>How often something may befall a process.</summary>
    private static readonly TimeSpan s_every = TimeSpan.FromSeconds(5);

    /// <summary>Begins, and ends after a while: then faults are over and every job must come to its end.</summary>
    public void Begin()
    {
        for (var at = s_every; at < shape.Troubled; at += s_every)
            cluster.World.After(at, Strike);
        cluster.World.After(shape.Troubled, () =>
        {
            cluster.Faults.IsOver = true;
            cluster.World.Trace.Note(cluster.World.Now, "fate", "faults are over");
            cluster.StartCoordinatorIfNone();
        });
    }

    private void Strike()
    {
        if (cluster.Faults.Strike("fate", shape.Blows) is not { } dice)
            return;
        if (shape.Servers > 0)
        {
            new ServerFate(cluster).Strike(dice);
            return;
        }

        switch (dice.Next(8))
        {
            case 0:
            case 1:
                KillWorker(dice);
                break;
            case 2:
                Note(cluster.SomeWorker(dice) is { } worker ? $"{worker.Name} pauses" : "no worker to pause");
                cluster.SomeWorker(dice)?.Pause(dice.Between(1, 90));
                break;
            case 3:
                KillCoordinator(dice);
                break;
            case 4:
                Note("the coordinator pauses");
                cluster.Coordinator?.Process.Pause(dice.Between(1, 90));
                break;
            case 5:
                // The old one does not know and goes on.
                Note("a second coordinator starts");
                cluster.Coordinator?.Process.Pause(dice.Between(0, 60));
                cluster.StartCoordinator();
                break;
            case 6:
                CutStore(dice);
                break;
            default:
                Stop(dice);
                break;
        }
    }

    private void KillWorker(Dice dice)
    {
        if (cluster.SomeWorker(dice) is not { } worker)
            return;
        Note($"{worker.Name} is killed");
        worker.Kill();
        cluster.World.After(dice.Between(0, 40), cluster.StartWorker);
    }

    private void KillCoordinator(Dice dice)
    {
        if (cluster.Coordinator is not { } coordinator)
            return;
        Note($"{coordinator.Process.Name} is killed");
        coordinator.Process.Kill();
        cluster.CoordinatorGone(coordinator);
        cluster.World.After(dice.Between(0, 40), cluster.StartCoordinatorIfNone);
    }

    private void CutStore(Dice dice)
    {
        if (cluster.Coordinator is not { } coordinator)
            return;
        Note($"{coordinator.Process.Name} has no store");
        coordinator.Link.IsCut = true;
        cluster.World.After(dice.Between(1, 90), () => coordinator.Link.IsCut = false);
    }

    private void Stop(Dice dice)
    {
        if (cluster.Coordinator is not { } coordinator)
            return;
        var resumable = dice.Next(2) == 0;
        Note(resumable ? "jobs are stopped" : "jobs are cancelled");
        _ = coordinator.StopAsync(shape.Jobs, resumable);
    }

    private void Note(string text) => cluster.World.Trace.Note(cluster.World.Now, "fate", text);
}
