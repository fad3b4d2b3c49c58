using Orchestrator.Cli.Simulating.Faults;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>What befalls the servers and workers of a cluster: crashes, pauses beyond a server's right to act, a store that is away, workers that drain.</summary>
internal sealed class ServerFate(SimulatedCluster cluster)
{
    public void Strike(Dice dice)
    {
        switch (dice.Next(8))
        {
            case 0:
                KillWorker(dice);
                break;
            case 1:
                Note("a worker pauses");
                cluster.SomeWorker(dice)?.Pause(dice.Between(1, 90));
                break;
            case 2:
                Note("a worker drains");
                cluster.DrainWorker(dice);
                break;
            case 3:
            case 4:
                KillServer(dice);
                break;
            case 5:
            case 6:
                PauseServer(dice);
                break;
            default:
                CutStore(dice);
                break;
        }
    }

    /// <summary>The active one more often than not.</summary>
    private SimulatedServer? Some(Dice dice)
    {
        var alive = cluster.Servers.Where(s => !s.Process.IsDead).ToArray();
        var acting = alive.FirstOrDefault(s => s.IsActing);
        if (alive.Length == 0)
            return null;
        return acting is not null && dice.Next(3) > 0 ? acting : alive[dice.Next(alive.Length)];
    }

    private void KillWorker(Dice dice)
    {
        if (cluster.SomeWorker(dice) is not { } worker)
            return;
        Note($"{worker.Name} is killed");
        worker.Kill();
        cluster.World.After(dice.Between(0, 40), cluster.StartWorker);
    }

    private void KillServer(Dice dice)
    {
        if (Some(dice) is not { } server)
            return;
        Note($"{server.Process.Name} is killed");
        server.Process.Kill();
        cluster.World.After(dice.Between(0, 60), () => cluster.StartServer(server.Address));
    }

    private void PauseServer(Dice dice)
    {
        if (Some(dice) is not { } server)
            return;
        Note($"{server.Process.Name} pauses");
        server.Process.Pause(dice.Between(1, 60));
    }

    private void CutStore(Dice dice)
    {
        if (Some(dice) is not { } server)
            return;
        Note($"{server.Process.Name} has no store");
        server.Link.IsCut = true;
        cluster.World.After(dice.Between(1, 90), () => server.Link.IsCut = false);
    }

    private void Note(string text) => cluster.World.Trace.Note(cluster.World.Now, "fate", text);
}
