using Orchestrator.TestKit.Telemetry;

namespace Orchestrator.EndToEnd.Tests.Telemetry;

/// <summary>What a collector hears of the real command.</summary>
public sealed class ExportTests
{
    private static readonly string[] s_expected =
    [
        "orchestrator.unit.duration", "orchestrator.unit.queue.time", "orchestrator.unit.attempts", "orchestrator.job.duration",
        "orchestrator.checkpoint.write.duration", "orchestrator.checkpoint.write.size", "orchestrator.worker.attempt.duration",
    ];

    [Fact]
    public async Task A_run_tells_a_collector_of_its_trace_its_metrics_and_its_log()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());

        (await Orc.RunAsync(workspace.Folder, collector.Environment, "run", "recipe.yaml")).Expect(0);

        var run = Assert.Single(collector.Spans, s => s.Name == "run");
        Assert.All(collector.Spans, s => Assert.Equal((run.Trace, "orchestrator-run"), (s.Trace, s.Service)));
        var attempts = collector.Spans.Where(s => s.Name.StartsWith("attempt", StringComparison.Ordinal)).Select(s => s.Id).ToHashSet();
        Assert.NotEmpty(attempts);
        Assert.Equal(attempts, collector.Spans.Where(s => s.Name == "commit").SelectMany(s => s.Links).ToHashSet());
        Assert.Equal(attempts, collector.Spans.Where(s => s.Name == "compute").Select(s => s.Parent).ToHashSet());
        Assert.Empty(s_expected.Except(collector.Metrics.Select(m => m.Name)));
        Assert.Contains(collector.Logs, l => l.Text.Contains("has ended: Succeeded", StringComparison.Ordinal) && l.Trace == run.Trace);
    }

    [Fact]
    public async Task Nothing_is_sent_where_the_environment_says_so()
    {
        await using var collector = await OtlpReceiver.StartAsync();
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());
        var environment = new Dictionary<string, string>(collector.Environment) { ["OTEL_SDK_DISABLED"] = "true" };

        (await Orc.RunAsync(workspace.Folder, environment, "run", "recipe.yaml")).Expect(0);

        Assert.Empty(collector.Spans);
        Assert.Empty(collector.Metrics);
        Assert.Empty(collector.Logs);
    }
}
