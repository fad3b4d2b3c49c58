using System.Text.Json;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>Whole jobs through the real command: same bytes however they run, resumed from whatever is committed.</summary>
public sealed class JobTests
{
    private const string PruneAndQuantize = "[{method: exact-obs, sparsity: 0.6}, {method: obq, bits: 4}]";

    [Fact]
    public async Task The_number_of_slots_does_not_change_a_byte()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe(PruneAndQuantize));
        foreach (var slots in (string[])["1", "2", "4"])
            (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--slots", slots, "--store", "store" + slots, "--out", "out" + slots)).Expect(0);

        Assert.Equal(workspace.Sha256("out1/model.onnx"), workspace.Sha256("out2/model.onnx"));
        Assert.Equal(workspace.Sha256("out1/model.onnx"), workspace.Sha256("out4/model.onnx"));
    }

    [Fact]
    public async Task A_second_run_computes_nothing_and_delivers_the_same()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());
        var first = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--json")).Expect(0).Json;
        var digest = workspace.Sha256("out/model.onnx");
        var second = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--json")).Expect(0).Json;

        Assert.Equal(0, first.GetProperty("units").GetProperty("reused").GetInt32());
        Assert.Equal(0, second.GetProperty("units").GetProperty("computed").GetInt32());
        Assert.Equal(first.GetProperty("units").GetProperty("total").GetInt32(), second.GetProperty("units").GetProperty("reused").GetInt32());
        Assert.Equal(digest, workspace.Sha256("out/model.onnx"));
    }

    [Fact]
    public async Task Fresh_computes_everything_again_to_the_same_bytes()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml")).Expect(0);
        var digest = workspace.Sha256("out/model.onnx");
        var fresh = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--fresh", "--json")).Expect(0).Json;

        Assert.Equal(0, fresh.GetProperty("units").GetProperty("reused").GetInt32());
        Assert.Equal(digest, workspace.Sha256("out/model.onnx"));
    }

    [Fact]
    public async Task Another_sparsity_takes_over_the_traces_and_delivers_what_it_would_alone()
    {
        using var workspace = new Workspace();
        workspace.Write("half.yaml", Workspace.Recipe("[{method: exact-obs, sparsity: 0.5}]"));
        workspace.Write("more.yaml", Workspace.Recipe("[{method: exact-obs, sparsity: 0.7, select: exact}]"));
        (await Orc.RunAsync(workspace.Folder, "run", "half.yaml", "--store", "shared", "--out", "half")).Expect(0);
        var after = (await Orc.RunAsync(workspace.Folder, "run", "more.yaml", "--store", "shared", "--out", "after", "--json")).Expect(0).Json;
        var alone = (await Orc.RunAsync(workspace.Folder, "run", "more.yaml", "--store", "alone", "--out", "alone", "--json")).Expect(0).Json;

        // Statistics, Hessians, inverses and traces: more than half of the units.
        var (total, reused) = (Units(after, "total"), Units(after, "reused"));
        Assert.Equal(Units(alone, "total"), total);
        Assert.Equal(0, Units(alone, "reused"));
        Assert.True(reused > total / 2, $"{reused} of {total}");
        Assert.Equal(workspace.Sha256("alone/model.onnx"), workspace.Sha256("after/model.onnx"));

        static int Units(JsonElement report, string count) => report.GetProperty("units").GetProperty(count).GetInt32();
    }

    [Fact]
    public async Task Corrections_are_reported_reused_and_independent_of_slots()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: rtn, bits: 2}]", rest: "batch_norm: retune\ncorrect: [bias, mean_variance]"));
        var first = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--slots", "1", "--json")).Expect(0).Json;
        var digest = workspace.Sha256("out/model.onnx");
        var second = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--json")).Expect(0).Json;
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--slots", "3", "--store", "other", "--out", "other-out")).Expect(0);

        var kinds = first.GetProperty("corrections").EnumerateArray().GroupBy(c => c.GetProperty("kind").GetString()).Select(g => (g.Key, g.Count()));
        Assert.Equal([("bias", 16), ("batchNorm", 15), ("meanVariance", 15)], kinds);
        Assert.Equal(0, second.GetProperty("units").GetProperty("computed").GetInt32());
        Assert.Equal(digest, workspace.Sha256("out/model.onnx"));
        Assert.Equal(digest, workspace.Sha256("other-out/model.onnx"));
    }

    [Fact]
    public async Task Two_runs_on_one_store_at_once_are_both_right()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe(PruneAndQuantize));
        var runs = await Task.WhenAll(
            Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--slots", "1", "--store", "shared", "--out", "a"),
            Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--slots", "1", "--store", "shared", "--out", "b"));
        Assert.All(runs, run => run.Expect(0));
        (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--store", "alone", "--out", "c")).Expect(0);

        Assert.Equal(workspace.Sha256("c/model.onnx"), workspace.Sha256("a/model.onnx"));
        Assert.Equal(workspace.Sha256("c/model.onnx"), workspace.Sha256("b/model.onnx"));
    }

    [Fact]
    public async Task The_report_holds_what_the_design_promises()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: obq, bits: 3}]", rest: "layers: [{match: '*fc*', skip: true}]", evaluation: true));
        var printed = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--json")).Expect(0).Json;
        var report = JsonDocument.Parse(File.ReadAllText(workspace["out/report.json"])).RootElement;

        Assert.Equal(JsonSerializer.Serialize(printed), JsonSerializer.Serialize(report));
        Assert.Equal("succeeded", report.GetProperty("status").GetString());
        Assert.Equal("top1", report.GetProperty("baseline").GetProperty("name").GetString());
        Assert.Equal(93.34, report.GetProperty("baseline").GetProperty("metric").GetDouble(), 0.011);
        Assert.True(report.GetProperty("size").GetProperty("after").GetInt64() < report.GetProperty("size").GetProperty("before").GetInt64() / 4);
        Assert.True(report.GetProperty("latency").GetProperty("before").GetDouble() > 0);
        Assert.Equal(16, report.GetProperty("layers").GetArrayLength());
        foreach (var layer in report.GetProperty("layers").EnumerateArray())
            CheckLayer(layer);
        foreach (var file in (string[])["model.onnx", "report.html", "provenance.json"])
            Assert.True(File.Exists(workspace["out/" + file]), file);
    }

    private static void CheckLayer(JsonElement layer)
    {
        var left = layer.GetProperty("name").GetString()!.Contains("fc", StringComparison.Ordinal);
        Assert.Equal(left ? "skipped" : "compressed", layer.GetProperty("status").GetString());
        Assert.Equal(left ? 32 : 3, layer.GetProperty("bits").GetDouble());
        if (left)
        {
            Assert.False(string.IsNullOrEmpty(layer.GetProperty("reason").GetString()));
            return;
        }

        Assert.InRange(layer.GetProperty("relativeLoss").GetDouble(), 0, 0.5);
        Assert.True(layer.GetProperty("loss").GetDouble() > 0);
        Assert.InRange(layer.GetProperty("outputError").GetDouble(), 0, 1);
    }
}
