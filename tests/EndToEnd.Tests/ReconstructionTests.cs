using System.Text.Json;

namespace Orchestrator.EndToEnd.Tests;

public sealed class ReconstructionTests
{
    private const string TwoPhase = ", activations: two-phase, activation_iterations: 20";

    /// <summary>Steps of a group: enough for several states, and seconds on one core.</summary>
    private const string Brecq = "[{method: brecq, bits: 2, iterations: 400, batch: 4}]";

    private const string Few = $"{{file: {Workspace.Calibration}, samples: 16}}";

    /// <summary>Leaves two blocks and the classifier.</summary>
    private const string TwoBlocks = "layers: [{match: '/stem/*', skip: true}, {match: '/blocks\\.[2-5]/', skip: true}]";

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

        Assert.Contains(report.GetProperty("reconstruction").EnumerateArray(), group => group.GetProperty("resumedFrom").ValueKind != JsonValueKind.Null);
        Assert.Equal(workspace.Sha256("expected/model.onnx"), workspace.Sha256("out/model.onnx"));
    }

    /// <summary>Step sizes are found once all weights are committed, or before anything where both are tuned at once: from then on a unit with a state is one of the phase.</summary>
    [Theory]
    [InlineData("activations", "iterations: 10, activations: two-phase, activation_iterations: 500")]
    [InlineData("joint", "iterations: 500, activations: joint, drop: 0.5")]
    public async Task A_run_killed_while_activations_are_tuned_goes_on_within_the_group_and_comes_to_the_same_bytes(string phase, string keys)
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe(
            $"[{{method: brecq, bits: 2, batch: 1, activation_bits: 4, activation_rate: 1e-3, {keys}}}]", calibration: Few, rest: TwoBlocks));
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "undisturbed", "--out", "expected")).Expect(0);
        // A unit may end between the look at it and the kill; then another one's turn comes.
        while (!(HasStepSizes(workspace["store"]) && Unfinished(workspace["store"]) > 0))
        {
            using var process = Orc.Start(workspace.Folder, "run", "recipe.yaml", "--store", "store", "--out", "out");
            await UntilAsync(() => (HasStepSizes(workspace["store"]) && Unfinished(workspace["store"]) > 0) || process.HasExited);
            Assert.False(process.HasExited, $"the run was over before it could be killed within a group of phase {phase}");
            process.Kill();
            await process.WaitForExitAsync();
        }

        var report = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "store", "--out", "out", "--json")).Expect(0).Json;

        Assert.Equal(phase, Assert.Single(report.GetProperty("reconstruction").EnumerateArray(), group => group.GetProperty("resumedFrom").ValueKind != JsonValueKind.Null).GetProperty("phase").GetString());
        Assert.Equal(workspace.Sha256("expected/model.onnx"), workspace.Sha256("out/model.onnx"));
    }

    [Fact]
    public async Task Activations_of_four_bits_are_learned_written_and_told_whatever_the_slots()
    {
        using var workspace = new Workspace();
        var report = await QuantizedAsync(workspace, TwoPhase, "out", 1);
        await QuantizedAsync(workspace, TwoPhase, "again", 3);

        Assert.Equal(workspace.Sha256("out/model.onnx"), workspace.Sha256("again/model.onnx"));
        Assert.Equal("weights activations", Phases(report));
        var activations = report.GetProperty("activations").EnumerateArray().ToList();
        Assert.Equal([8, .. Enumerable.Repeat(4, activations.Count - 2), 8], activations.Select(a => a.GetProperty("bits").GetInt32()));
        Assert.Contains(activations, a => a.GetProperty("step").GetDouble() != a.GetProperty("firstStep").GetDouble());
        var bits = report.GetProperty("layers").EnumerateArray().Select(l => l.GetProperty("activationBits").GetInt32()).ToList();
        Assert.Equal((32, 8, 4, 8), (bits[0], bits[1], bits[2], bits[^1]));
        Assert.Contains("Code of 0", File.ReadAllText(workspace["out/report.html"]), StringComparison.Ordinal);
    }

    [Fact]
    public async Task Activations_are_learned_together_with_weights_where_some_of_their_elements_are_dropped()
    {
        using var workspace = new Workspace();
        var report = await QuantizedAsync(workspace, ", granularity: stage, drop: 0.5", "out", 2);

        Assert.Equal("joint", Phases(report));
        Assert.NotEmpty(report.GetProperty("activations").EnumerateArray());
    }

    [Fact]
    public async Task A_weighted_loss_is_reported_and_its_activations_are_gone_with_the_last_group_without_harm()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: brecq, bits: 2, granularity: stage, iterations: 10, batch: 4, loss: fisher}]", calibration: Few));
        string[] run = ["run", "recipe.yaml", "--store", "store", "--out", "out", "--json"];
        var first = (await Orc.RunAsync(workspace.Folder, run)).Expect(0).Json;
        var model = workspace.Sha256("out/model.onnx");
        Assert.All(first.GetProperty("reconstruction").EnumerateArray(), g => Assert.InRange(g.GetProperty("loss").GetDouble(), 0, g.GetProperty("nearestLoss").GetDouble()));
        Assert.DoesNotContain(first.GetProperty("rescues").EnumerateArray(), r => r.GetProperty("kind").GetString() == "loss-unweighted");

        var collected = (await Orc.RunAsync(workspace.Folder, "gc", "--store", "store", "--older-than", "0s", "--json")).Expect(0).Json;

        Assert.Equal(0, collected.GetProperty("activations").GetInt64());
        Assert.Empty(Directory.GetFiles(workspace["store"], "activations", SearchOption.AllDirectories));
        (await Orc.RunAsync(workspace.Folder, "verify", "--store", "store")).Expect(0);
        var again = (await Orc.RunAsync(workspace.Folder, run)).Expect(0).Json;
        Assert.Equal(0, again.GetProperty("units").GetProperty("computed").GetInt32());
        Assert.Equal(model, workspace.Sha256("out/model.onnx"));
        // Another job that needs the same activations has the first group's captured anew.
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: brecq, bits: 2, granularity: stage, iterations: 12, batch: 4, loss: fisher}]", calibration: Few));
        (await Orc.RunAsync(workspace.Folder, run)).Expect(0);
    }

    private static string Phases(JsonElement report) => string.Join(' ', report.GetProperty("reconstruction").EnumerateArray().Select(g => g.GetProperty("phase").GetString()).Distinct());

    private static async Task<JsonElement> QuantizedAsync(Workspace workspace, string keys, string folder, int slots)
    {
        workspace.Write("recipe.yaml", Workspace.Recipe($"[{{method: brecq, bits: 4, iterations: 10, batch: 4, activation_bits: 4, activation_rate: 1e-3{keys}}}]", calibration: Few));
        return (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", $"store-{slots}", "--out", folder, "--slots", $"{slots}", "--json")).Expect(0).Json;
    }

    /// <summary>States of units that are not committed; the most of one.</summary>
    private static int Unfinished(string store)
    {
        var states = Path.Combine(store, "local", "states");
        if (!Directory.Exists(states))
            return 0;
        return Directory.GetDirectories(states).SelectMany(Directory.GetDirectories)
            .Where(unit => !IsCommitted(store, Path.GetFileName(unit)))
            .Select(unit => Directory.GetFiles(unit).Length).DefaultIfEmpty(0).Max();
    }

    /// <summary>Whether grids of activations were found by a unit that is committed.</summary>
    private static bool HasStepSizes(string store)
    {
        var attempts = Path.Combine(store, "local", "attempts");
        return Directory.Exists(attempts) && Directory.GetDirectories(attempts).SelectMany(Directory.GetDirectories)
            .Where(unit => IsCommitted(store, Path.GetFileName(unit)))
            .Any(unit => Directory.EnumerateFiles(unit, "step-sizes", SearchOption.AllDirectories).Any());
    }

    private static bool IsCommitted(string store, string key) => File.Exists(Path.Combine(store, "local", "commits", key[..2], $"{key}.json"));

    private static async Task UntilAsync(Func<bool> isSo)
    {
        using var patience = new CancellationTokenSource(s_patience);
        using var tick = new PeriodicTimer(s_tick);
        while (!isSo())
            await tick.WaitForNextTickAsync(patience.Token);
    }
}
