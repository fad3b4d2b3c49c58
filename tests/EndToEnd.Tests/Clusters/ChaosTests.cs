using System.Text.RegularExpressions;
using Orchestrator.TestKit.Stores;
using Xunit.Abstractions;

namespace Orchestrator.EndToEnd.Tests.Clusters;

/// <summary>Two minutes of <c>tests/chaos.sh</c>, which by default goes on for ten.</summary>
public sealed partial class ChaosTests(ITestOutputHelper output)
{
    private const int Servers = 2;
    private const int Workers = 4;
    private const int LastLines = 25;

    /// <summary>Set by <c>tests/chaos.sh</c>.</summary>
    private static readonly int s_minutes = Number("ORC_CHAOS_MINUTES", 2);

    private static readonly int s_seed = Number("ORC_CHAOS_SEED", 1);

    [AzuriteFact]
    public async Task Whatever_is_killed_or_paused_every_model_has_the_bytes_of_a_run_in_one_process()
    {
        using var workspace = new Workspace();
        await using var cluster = await ClusterProcesses.StartAsync(workspace.Folder, Servers, Workers);
        var chaos = new ChaosRun(workspace, cluster, s_seed);
        (string, string)[] recipes = [.. Enumerable.Range(0, 2 * s_minutes).Select(i => ($"job-{i}.yaml", Workspace.Recipe(Compress(i), calibration: Calibration(i))))];

        ChaosOutcome outcome;
        try
        {
            outcome = await chaos.RunAsync(recipes, TimeSpan.FromMinutes(s_minutes), TimeSpan.FromMinutes(5));
        }
        catch (Exception cause)
        {
            throw new InvalidOperationException($"{cause}\n{string.Join('\n', cluster.All.SelectMany(p => p.Lines.TakeLast(LastLines)))}");
        }

        Assert.All(outcome.Jobs, job => Assert.Equal(job.Expected, job.Delivered));
        (await Orc.RunAsync(workspace.Folder, ["verify", .. cluster.StoreOptions])).Expect(0);
        await LateAsync(workspace, cluster);
        await ReworkAsync(workspace, cluster, outcome);
    }

    /// <summary>Of an attempt that a server had given up, or whose end it refused, nothing may be in any record.</summary>
    private async Task LateAsync(Workspace workspace, ClusterProcesses cluster)
    {
        string[] lines = [.. cluster.Servers.SelectMany(s => s.Lines)];
        var lost = lines.Select(line => LostAttempt().Match(line)).Where(m => m.Success).Select(m => m.Groups[1].Value).ToHashSet();
        var refused = lines.Select(line => RefusedAttempt().Match(line)).Where(m => m.Success).Select(m => m.Groups[1].Value).ToHashSet();
        var dumped = (await Orc.RunAsync(workspace.Folder, ["dump", "--unit", "", "--json", .. cluster.StoreOptions])).Expect(0).Json;
        var committed = dumped.GetProperty("jobs").EnumerateArray().SelectMany(job => job.GetProperty("records").EnumerateArray())
            .Select(unit => unit.GetProperty("record").GetProperty("epoch")).Select(e => $"{e.GetProperty("term").GetInt64()}-{e.GetProperty("counter").GetInt64()}").ToHashSet();

        output.WriteLine($"{committed.Count} attempts committed, {lost.Count} given up, {refused.Count} ends refused");
        Assert.NotEmpty(committed);
        Assert.Empty(committed.Intersect(lost));
        Assert.Empty(committed.Intersect(refused));
    }

    /// <summary>Outputs that no commit names are of attempts that were lost: at most one for each slot that was killed or paused, or whose server was.</summary>
    private async Task ReworkAsync(Workspace workspace, ClusterProcesses cluster, ChaosOutcome outcome)
    {
        foreach (var worker in cluster.Workers)
            await worker.TerminateAsync(CancellationToken.None);
        var garbage = (await Orc.RunAsync(workspace.Folder, ["gc", "--dry-run", "--older-than", "0s", "--json", .. cluster.StoreOptions])).Expect(0).Json;
        var faults = outcome.WorkerKills + outcome.Pauses + (outcome.ServerKills * Workers);
        output.WriteLine($"{garbage.GetProperty("attempts")} outputs of attempts that count for nothing after {outcome.WorkerKills} killed workers, {outcome.ServerKills} killed servers, {outcome.Pauses} pauses");
        Assert.True(
            garbage.GetProperty("attempts").GetInt64() <= faults * MostOutputs,
            $"{garbage} after {outcome.WorkerKills} killed workers, {outcome.ServerKills} killed servers, {outcome.Pauses} pauses.");
    }

    /// <summary>Blobs that one attempt writes at most: a statistics unit writes one a layer.</summary>
    private const int MostOutputs = 16;

    private static string Compress(int job) => (job % 3) switch
    {
        0 => "[{method: exact-obs, sparsity: 0.6}, {method: obq, bits: 4}]",
        1 => "[{method: nm, pattern: \"2:4\"}]",
        _ => "[{method: obq, bits: 3}]",
    };

    private static string Calibration(int job) => $"{{file: {Workspace.Calibration}, samples: {64 + (32 * job)}}}";

    private static int Number(string variable, int otherwise) => int.TryParse(Environment.GetEnvironmentVariable(variable), out var number) ? number : otherwise;

    [GeneratedRegex(@"its lease of unit .* has ended \(attempt (\d+-\d+)\)")]
    private static partial Regex LostAttempt();

    [GeneratedRegex(@"The end of attempt (\d+-\d+) ")]
    private static partial Regex RefusedAttempt();
}
