using System.Text.Json;

namespace Orchestrator.Cli.Tests.Verbs;

public sealed class BenchVerbTests
{
    [Theory]
    [InlineData("exact-obs")]
    [InlineData("nm")]
    [InlineData("block")]
    [InlineData("obq")]
    public async Task Every_solver_is_measured_with_all_fields(string solver)
    {
        using var console = new TestConsole();

        Assert.Equal(ExitCodes.Success, await console.RunAsync("bench", solver, "--rows", "4", "--columns", "32", "--threads", "2", "--json"));

        var result = console.Json;
        foreach (var name in (string[])["msPerRow", "gflops", "peakGflops", "fractionOfPeak", "eagerMsPerRow"])
            Assert.True(result.GetProperty(name).GetDouble() > 0, name);
        Assert.Equal((4, 32, 2), (result.GetProperty("rows").GetInt32(), result.GetProperty("columns").GetInt32(), result.GetProperty("threads").GetInt32()));
        Assert.NotEmpty(result.GetProperty("isa").GetString()!);
        Assert.Equal(JsonValueKind.Object, result.GetProperty("phases").ValueKind);
    }

    [Fact]
    public async Task Figures_fit_each_other()
    {
        using var console = new TestConsole();
        await console.RunAsync("bench", "exact-obs", "--rows", "4", "--columns", "64", "--json");

        var result = console.Json;
        // rows·columns³/3 operations in rows·msPerRow; both are printed in full, so only rounding is left.
        const double Rounding = 1e-9;
        var gflops = Math.Pow(64, 3) / 3 / (result.GetProperty("msPerRow").GetDouble() * 1e6);
        Assert.Equal(1, result.GetProperty("gflops").GetDouble() / gflops, Rounding);
        Assert.Equal(1, result.GetProperty("fractionOfPeak").GetDouble() * result.GetProperty("peakGflops").GetDouble() / gflops, Rounding);
    }
}
