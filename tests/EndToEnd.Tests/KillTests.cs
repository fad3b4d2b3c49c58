using System.Diagnostics;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>A short form of <c>tests/kill-resume.sh</c>, which by default kills thirty times.</summary>
public sealed class KillTests
{
    private const string Kills = "5";
    private const string Slots = "2";

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(10);

    [Fact]
    public async Task A_killed_run_resumes_to_the_same_bytes()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: exact-obs, sparsity: 0.6}, {method: obq, bits: 4}]"));
        var script = Path.GetFullPath(Path.Combine(Workspace.SampleFolder, "..", "..", "..", "tests", "kill-resume.sh"));
        var start = new ProcessStartInfo("bash", [script, Kills, workspace["recipe.yaml"], Slots])
        {
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        start.Environment["ORC"] = Orc.Executable;
        using var bash = Process.Start(start) ?? throw new InvalidOperationException("bash did not start.");
        using var patience = new CancellationTokenSource(s_patience);
        var output = bash.StandardOutput.ReadToEndAsync(patience.Token);
        var errors = bash.StandardError.ReadToEndAsync(patience.Token);
        await bash.WaitForExitAsync(patience.Token);

        Assert.True(bash.ExitCode == 0, await output + await errors);
    }
}
