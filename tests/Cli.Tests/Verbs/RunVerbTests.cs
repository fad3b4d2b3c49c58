using System.Text.Json;
using System.Xml.Linq;
using Orchestrator.Cli.Estimating;
using Orchestrator.Jobs.Reports;

namespace Orchestrator.Cli.Tests.Verbs;

public sealed class RunVerbTests : IDisposable
{
    private readonly TestFolder _folder = SampleFolder.Create();

    public RunVerbTests() => _folder.Write("recipe.yaml", SampleFolder.Recipe());

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task A_dry_run_tells_the_plan_and_writes_nothing()
    {
        var before = _folder.Entries.ToList();
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--dry-run", "--json"));

        Assert.Equal(16, console.Json.GetProperty("layers").GetArrayLength());
        Assert.Equal("rtn 4 bit", console.Json.GetProperty("layers")[0].GetProperty("steps")[0].GetString());
        Assert.True(console.Json.GetProperty("units").GetProperty("total").GetInt32() > 16);
        Assert.True(console.Json.GetProperty("estimate").GetProperty("seconds").GetDouble() > 0);
        Assert.Equal(before, _folder.Entries);
    }

    [Fact]
    public async Task A_dry_run_tells_the_bits_of_activations()
    {
        _folder.Write("recipe.yaml", SampleFolder.Recipe("[{method: brecq, bits: 2, batch: 4, activation_bits: 4}]"));
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--dry-run"));

        Assert.Contains("activations have 4 bits", console.Output + console.Error, StringComparison.Ordinal);
        Assert.Contains("/fc/Gemm has 8", (console.Output + console.Error).ReplaceLineEndings(" "), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_run_writes_its_four_files_where_it_is_told()
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--store", "kept", "--out", "here", "--json"));

        Assert.Equal("succeeded", console.Json.GetProperty("status").GetString());
        Assert.Equal(JsonValueKind.Null, console.Json.GetProperty("compressed").GetProperty("metric").ValueKind);
        Assert.Equal(["model.onnx", "provenance.json", "report.html", "report.json"], Directory.GetFiles(_folder["here"]).Select(file => Path.GetFileName(file)).Order(StringComparer.Ordinal));
        Assert.True(Directory.Exists(_folder["kept"]));
        Assert.False(Directory.Exists(_folder[".orchestrator"]));
        XDocument.Parse(File.ReadAllText(_folder["here/report.html"])["<!DOCTYPE html>".Length..]);
        Assert.DoesNotContain(_folder.Path, File.ReadAllText(_folder["here/provenance.json"]), StringComparison.Ordinal);
        Assert.Contains("Succeeded", console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_damaged_in_the_store_is_made_again()
    {
        using var first = new TestConsole(_folder.Path);
        await first.RunAsync("run", "recipe.yaml");
        var model = File.ReadAllBytes(_folder["out/model.onnx"]);
        foreach (var blob in Directory.GetFiles(_folder[".orchestrator"], "model", SearchOption.AllDirectories))
            File.WriteAllBytes(blob, [1, 2, 3]);

        using var second = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await second.RunAsync("run", "recipe.yaml", "--json"));

        Assert.Equal(model, File.ReadAllBytes(_folder["out/model.onnx"]));
        Assert.True(second.Json.GetProperty("units").GetProperty("computed").GetInt32() > 0);
        Assert.Contains("damaged", second.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_report_holds_the_estimate_against_what_it_took()
    {
        using var console = new TestConsole(_folder.Path);
        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--json"));

        var estimate = console.Json.GetProperty("estimate");
        foreach (var figure in (string[])["seconds", "cpuSeconds", "memoryBytes", "diskBytes"])
        {
            Assert.True(estimate.GetProperty("planned").GetProperty(figure).GetDouble() > 0);
            Assert.True(estimate.GetProperty("actual").GetProperty(figure).GetDouble() > 0);
            Assert.Equal(
                estimate.GetProperty("planned").GetProperty(figure).GetDouble() / estimate.GetProperty("actual").GetProperty(figure).GetDouble(),
                estimate.GetProperty("ratio").GetProperty(figure).GetDouble(), 1e-9);
        }

        // What a plan writes is known beforehand, so disk is held to the bound here; time and memory depend on the machine.
        Assert.InRange(estimate.GetProperty("ratio").GetProperty("diskBytes").GetDouble(), 0.5, 2);
        Assert.Contains("planned", console.Error, StringComparison.Ordinal);
        Assert.Equal("opset-raised", Assert.Single(console.Json.GetProperty("rescues").EnumerateArray()).GetProperty("kind").GetString());
        using var again = new TestConsole(_folder.Path);
        await again.RunAsync("run", "recipe.yaml", "--json");
        Assert.Equal(JsonValueKind.Null, again.Json.GetProperty("estimate").GetProperty("ratio").GetProperty("seconds").ValueKind);
    }

    [Fact]
    public async Task A_volume_too_small_for_the_job_is_refused_before_anything_is_written()
    {
        var before = _folder.Entries.ToList();
        using var console = new TestConsole(_folder.Path) { Limits = new MachineLimits(long.MaxValue, _ => 1_000) };

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync("run", "recipe.yaml", "--json"));

        Assert.Equal("disk-too-small", console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(before, _folder.Entries);
    }

    [Fact]
    public async Task Too_little_memory_is_warned_of_and_reported()
    {
        using var console = new TestConsole(_folder.Path) { Limits = new MachineLimits(1 << 20, _ => long.MaxValue) };

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--json"));

        Assert.Contains("not even one slot fits", console.Json.GetProperty("estimate").GetProperty("warnings")[0].GetString(), StringComparison.Ordinal);
        Assert.Contains("warning", console.Error, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(ReportStatus.Succeeded, 0)]
    [InlineData(ReportStatus.Failed, 1)]
    [InlineData(ReportStatus.Cancelled, 1)]
    [InlineData(ReportStatus.GoalMissed, 3)]
    public void Each_end_has_its_exit_code(ReportStatus status, int code) => Assert.Equal(code, ExitCodes.Of(status));

    [Fact]
    public async Task Without_json_people_read_the_result_on_standard_output()
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml"));

        Assert.Empty(console.Error);
        Assert.Contains("Succeeded", console.Output, StringComparison.Ordinal);
        Assert.Contains("times smaller", console.Output, StringComparison.Ordinal);
        Assert.Contains(Path.Combine("out", "report.html"), console.Output, StringComparison.Ordinal);
    }

    [Fact]
    public async Task An_interrupted_run_says_how_to_go_on_and_leaves_no_model()
    {
        using var stop = new CancellationTokenSource();
        await stop.CancelAsync();
        using var console = new TestConsole(_folder.Path) { Interruption = stop.Token };

        Assert.Equal(ExitCodes.Interrupted, await console.RunAsync("run", "recipe.yaml", "--json"));

        Assert.Equal("interrupted", console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Contains("Run the same command again", console.Error, StringComparison.Ordinal);
        Assert.False(Directory.Exists(_folder["out"]));
    }

    [Theory]
    [InlineData("--device cuda", "device-not-available")]
    [InlineData("--profile abacus", "profile-not-available")]
    [InlineData("--profile avx2-cuda-ort1.30.0", "device-not-available")]
    [InlineData("--profile avx2-cpu-ort0.1.0", "profile-not-available")]
    [InlineData("--out recipe.yaml", "output-not-writable")]
    [InlineData("--store recipe.yaml", "store-not-writable")]
    [InlineData("--store recipe.yaml/below", "store-not-writable")]
    public async Task What_cannot_be_done_is_refused_and_leaves_no_trace(string options, string code)
    {
        var before = _folder.Entries.ToList();
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync(["run", "recipe.yaml", "--json", .. options.Split(' ')]));

        Assert.Equal(code, console.Json.GetProperty("error").GetProperty("code").GetString());
        Assert.Equal(before, _folder.Entries);
    }

    [Fact]
    public async Task A_narrower_profile_can_be_forced()
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "recipe.yaml", "--profile", "scalar", "--dry-run", "--json"));
        Assert.StartsWith("scalar-cpu-ort", console.Json.GetProperty("profile").GetString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task The_schema_is_printed_without_a_recipe()
    {
        using var console = new TestConsole();

        Assert.Equal(ExitCodes.Success, await console.RunAsync("run", "--schema"));
        Assert.Equal("Orchestrator recipe", console.Json.GetProperty("title").GetString());
    }
}
