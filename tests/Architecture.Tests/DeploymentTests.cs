using System.Text.Json;
using System.Text.RegularExpressions;

namespace Orchestrator.Architecture.Tests;

/// <summary>What dashboard, compose file, manifests and images name has to be there.</summary>
public sealed partial class DeploymentTests
{
    private const string Dashboard = "infra/telemetry/dashboard.json";

    /// <summary>What Prometheus puts behind the names, by kind and unit.</summary>
    private static readonly string[] s_suffixes = ["_bucket", "_sum", "_count", "_total", "_ratio", "_seconds", "_bytes"];

    [Fact]
    public void Every_metric_of_the_dashboard_is_made_somewhere()
    {
        var made = Made().Select(m => m.Name.Replace('.', '_')).ToHashSet();
        var asked = Expressions().SelectMany(e => Metric().Matches(e).Select(m => m.Value)).Except(s_labels).ToHashSet();

        Assert.NotEmpty(asked);
        Assert.Empty(asked.Select(name => Bare(name, made)).Except(made));
    }

    [Fact]
    public void Every_metric_is_on_the_dashboard_or_is_left_out_on_purpose()
    {
        string[] leftOut = ["orchestrator.job.duration", "orchestrator.worker.attempt.duration", "orchestrator.worker.lease.lost", "orchestrator.store.hedges"];
        var made = Made().Select(m => m.Name).Except(leftOut).Select(name => name.Replace('.', '_')).ToHashSet();
        var shown = Expressions().SelectMany(e => Metric().Matches(e).Select(m => Bare(m.Value, made)));

        Assert.Empty(made.Except(shown));
    }

    [Theory]
    [InlineData("infra/deploy/compose.yaml")]
    [InlineData("infra/deploy/kubernetes/server.yaml")]
    [InlineData("infra/deploy/kubernetes/worker.yaml")]
    [InlineData("infra/docker/worker.cuda.Dockerfile")]
    public void Every_option_that_is_given_exists(string file)
    {
        var options = Repository.SourceFiles.Where(f => f.StartsWith("src/Cli/", StringComparison.Ordinal))
            .SelectMany(f => Option().Matches(Repository.Read(f)).Select(m => m.Groups[1].Value)).ToHashSet();
        var given = Given().Matches(string.Join('\n', Repository.Read(file).Split('\n').Where(line => !line.TrimStart().StartsWith('#') && IsOrc(line)))).Select(m => m.Groups[1].Value).Distinct();

        Assert.NotEmpty(given);
        Assert.Empty(given.Except(options));
    }

    [Fact]
    public void The_time_to_end_is_longer_than_the_grace()
    {
        var worker = Repository.Read("infra/deploy/kubernetes/worker.yaml");
        var compose = Repository.Read("infra/deploy/compose.yaml");

        Assert.True(Number(worker, "terminationGracePeriodSeconds: (\\d+)") > Number(worker, "--grace, \"(\\d+)\""));
        Assert.True(Number(compose, "stop_grace_period: (\\d+)s") > Number(compose, "--grace, \"(\\d+)\""));
    }

    [Fact]
    public void Containers_run_without_root_on_a_root_that_is_read_only()
    {
        foreach (var image in Repository.Files.Where(f => f.StartsWith("infra/docker/", StringComparison.Ordinal)))
            Assert.Contains("USER 65532", Repository.Read(image), StringComparison.Ordinal);
        foreach (var manifest in (string[])["infra/deploy/kubernetes/server.yaml", "infra/deploy/kubernetes/worker.yaml"])
        {
            Assert.Contains("runAsNonRoot: true", Repository.Read(manifest), StringComparison.Ordinal);
            Assert.Contains("readOnlyRootFilesystem: true", Repository.Read(manifest), StringComparison.Ordinal);
        }
    }

    private static readonly string[] s_labels = ["orchestrator_unit_kind", "orchestrator_result", "orchestrator_state", "orchestrator_cause", "orchestrator_blob", "orchestrator_pipeline"];

    private static IEnumerable<(string Name, string File)> Made() => Repository.SourceFiles
        .Where(f => f.EndsWith("Instruments.cs", StringComparison.Ordinal))
        .SelectMany(f => Instrument().Matches(Repository.Read(f)).Select(m => (m.Groups[1].Value, f)));

    private static string[] Expressions()
    {
        using var dashboard = JsonDocument.Parse(Repository.Read(Dashboard));
        return [.. from panel in dashboard.RootElement.GetProperty("panels").EnumerateArray()
                   from target in panel.GetProperty("targets").EnumerateArray()
                   select target.GetProperty("expr").GetString()!];
    }

    /// <param name="made">Some names end as a suffix does.</param>
    private static string Bare(string name, HashSet<string> made)
    {
        for (var suffix = Suffix(name); suffix is not null && !made.Contains(name); suffix = Suffix(name))
            name = name[..^suffix.Length];
        return name;
    }

    private static string? Suffix(string name) => s_suffixes.FirstOrDefault(s => name.EndsWith(s, StringComparison.Ordinal));

    private static bool IsOrc(string line) =>
        line.Contains("--store", StringComparison.Ordinal) || line.Contains("--server", StringComparison.Ordinal) || line.Contains("/app/orc", StringComparison.Ordinal);

    private static int Number(string text, string pattern) => int.Parse(Regex.Match(text, pattern).Groups[1].Value);

    [GeneratedRegex(@"\.Create\w+(?:<\w+>)?\(""(orchestrator\.[a-z.]+)""")]
    private static partial Regex Instrument();

    [GeneratedRegex("orchestrator_[a-z_]+")]
    private static partial Regex Metric();

    [GeneratedRegex(@"""(--[a-z-]+)""")]
    private static partial Regex Option();

    [GeneratedRegex(@"[\[ ""](--[a-z-]+)")]
    private static partial Regex Given();
}
