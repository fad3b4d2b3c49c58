using System.Diagnostics;

namespace Orchestrator.EndToEnd.Tests.Clusters;

/// <summary>What was done to a cluster and what became of its jobs.</summary>
internal sealed record ChaosOutcome(int WorkerKills, int ServerKills, int Pauses, IReadOnlyList<ChaosJob> Jobs);

internal sealed record ChaosJob(string Recipe, string Id, string Expected)
{
    public string? Delivered { get; set; }
}

/// <summary>
/// Kills (-9), pauses and starts processes of a cluster at random while jobs come in one after the other; at the end everything runs again and
/// every job has to deliver the bytes that <c>orc run</c> delivers for its recipe.
/// </summary>
internal sealed class ChaosRun(Workspace workspace, ClusterProcesses cluster, int seed)
{
    private const int LongestRest = 5;

    /// <summary>Seconds; longer than a lease, and than a server may be silent before another takes over.</summary>
    private const int LongestPause = 40;

    private readonly Random _random = new(seed);
    private readonly List<Task> _recoveries = [];
    private int _workerKills;
    private int _serverKills;
    private int _pauses;

    /// <param name="recipes">Name and text; submitted in this order, evenly over the duration.</param>
    /// <param name="patience">For the jobs to end after the last fault.</param>
    public async Task<ChaosOutcome> RunAsync(IReadOnlyList<(string Name, string Text)> recipes, TimeSpan duration, TimeSpan patience)
    {
        var jobs = new List<ChaosJob>();
        foreach (var (name, text) in recipes)
        {
            workspace.Write(name, text);
            (await Orc.RunAsync(workspace.Folder, "run", name, "--store", "embedded", "--out", $"expected-{name}")).Expect(0);
        }

        var clock = Stopwatch.StartNew();
        while (clock.Elapsed < duration)
        {
            if (jobs.Count < recipes.Count && clock.Elapsed >= duration * jobs.Count / recipes.Count)
                jobs.Add(await SubmitAsync(recipes[jobs.Count].Name));
            await StrikeAsync();
            await Task.Delay(TimeSpan.FromSeconds(1 + _random.Next(LongestRest)));
        }

        await Task.WhenAll(_recoveries);
        foreach (var process in cluster.All.Where(p => !p.IsRunning))
            process.Start();
        while (jobs.Count < recipes.Count)
            jobs.Add(await SubmitAsync(recipes[jobs.Count].Name));
        foreach (var job in jobs)
            job.Delivered = await FetchAsync(job, patience);
        return new ChaosOutcome(_workerKills, _serverKills, _pauses, jobs);
    }

    private async Task StrikeAsync()
    {
        var processes = cluster.All.Where(p => p.IsRunning).ToArray();
        // One of each kind always goes on, or nothing would happen at all for most of the time.
        var victim = processes.Length == 0 ? null : processes[_random.Next(processes.Length)];
        var isServer = victim is not null && cluster.Servers.Contains(victim);
        if (victim is null || (isServer ? cluster.Servers : cluster.Workers).Count(p => p.IsRunning) < 2)
            return;
        if (_random.Next(2) == 0)
        {
            _ = isServer ? _serverKills++ : _workerKills++;
            await victim.KillAsync();
            _recoveries.Add(AfterAsync(LongestRest, victim.Start));
        }
        else
        {
            _pauses++;
            await victim.PauseAsync();
            _recoveries.Add(AfterAsync(LongestPause, () => _ = victim.ContinueAsync()));
        }
    }

    private async Task AfterAsync(int seconds, Action recover)
    {
        await Task.Delay(TimeSpan.FromSeconds(1 + _random.Next(seconds)));
        recover();
    }

    private async Task<ChaosJob> SubmitAsync(string recipe)
    {
        var submitted = await UntilAsync(["submit", recipe, "--server", cluster.Address, "--json"], TimeSpan.FromMinutes(2));
        return new ChaosJob(recipe, submitted.Json.GetProperty("job").GetProperty("id").GetString()!, workspace.Sha256($"expected-{recipe}/model.onnx"));
    }

    private async Task<string> FetchAsync(ChaosJob job, TimeSpan patience)
    {
        var folder = $"delivered-{job.Recipe}";
        await UntilAsync(["watch", job.Id, "--server", cluster.Address, "--json"], patience);
        await UntilAsync(["fetch", job.Id, "--server", cluster.Address, "--out", folder], patience);
        return workspace.Sha256($"{folder}/model.onnx");
    }

    /// <summary>As a user does while servers come and go: again.</summary>
    private async Task<OrcResult> UntilAsync(string[] arguments, TimeSpan patience)
    {
        var clock = Stopwatch.StartNew();
        while (true)
        {
            var result = await Orc.RunAsync(workspace.Folder, arguments);
            if (result.Code == 0 || clock.Elapsed > patience)
                return result.Expect(0);
            await Task.Delay(TimeSpan.FromSeconds(2));
        }
    }
}
