namespace Orchestrator.EndToEnd.Tests;

public sealed class ReconstructionTests
{
    /// <summary>Steps of a group: enough for several states, and seconds on one core.</summary>
    private const string Brecq = "[{method: brecq, bits: 2, iterations: 400, batch: 4}]";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);
    private static readonly TimeSpan s_tick = TimeSpan.FromMilliseconds(20);

    [Fact]
    public async Task A_run_killed_within_a_block_goes_on_within_it_and_comes_to_the_same_bytes()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe(Brecq));
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "undisturbed", "--out", "expected")).Expect(0);
        using (var process = Orc.Start(workspace.Folder, "run", "recipe.yaml", "--store", "store", "--out", "out"))
        {
            await UntilAsync(() => Unfinished(workspace["store"]) > 0 || process.HasExited);
            Assert.False(process.HasExited, "the run was over before it could be killed within a block");
            process.Kill();
            await process.WaitForExitAsync();
        }

        var report = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "store", "--out", "out", "--json")).Expect(0).Json;

        Assert.Contains(report.GetProperty("reconstruction").EnumerateArray(), group => group.GetProperty("resumedFrom").ValueKind != System.Text.Json.JsonValueKind.Null);
        Assert.Equal(workspace.Sha256("expected/model.onnx"), workspace.Sha256("out/model.onnx"));
    }

    /// <summary>States of units that are not committed; the most of one.</summary>
    private static int Unfinished(string store)
    {
        var states = Path.Combine(store, "local", "states");
        if (!Directory.Exists(states))
            return 0;
        return Directory.GetDirectories(states).SelectMany(Directory.GetDirectories)
            .Where(unit => !File.Exists(Path.Combine(store, "local", "commits", Path.GetFileName(unit)[..2], $"{Path.GetFileName(unit)}.json")))
            .Select(unit => Directory.GetFiles(unit).Length).DefaultIfEmpty(0).Max();
    }

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var patience = new CancellationTokenSource(s_patience);
        using var tick = new PeriodicTimer(s_tick);
        while (!isSo())
            await tick.WaitForNextTickAsync(patience.Token);
    }
}
