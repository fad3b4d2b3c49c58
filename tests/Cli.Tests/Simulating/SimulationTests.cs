using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.Seeds;

namespace Orchestrator.Cli.Tests.Simulating;

public sealed class SimulationTests
{
    private const double Faults = 0.05;

    [Fact]
    public void Three_hundred_seeds_keep_every_promise()
    {
        const int Seeds = 300;

        var result = SeedRange.Run(1, Seeds, Faults, SimulationHooks.None, new Silent(), CancellationToken.None);

        Assert.True(result.Failed.Count == 0, $"Run `orc simulate --seed {(result.Failed.Count > 0 ? result.Failed[0] : 0)}`: {string.Join("; ", result.Failures.Select(f => $"seed {f.Seed}: {f.Invariant}: {f.Detail}"))}");
        Assert.Equal((Seeds, 0L, 0L, 0L), (result.Seeds, result.Doubled, result.Lost, result.Stuck));
        Assert.True(result.Commits > Seeds, $"{result.Commits} commits");
    }

    [Theory]
    [InlineData(3UL)]
    [InlineData(27UL)]
    [InlineData(54UL)]
    public void The_same_seed_is_the_same_run_on_any_thread_and_after_any_other(ulong seed)
    {
        var first = SeedRun.Run(seed, Faults, SimulationHooks.None);
        SeedRun.Run(seed + 1, Faults, SimulationHooks.None);
        SeedResult? second = null;
        var thread = new Thread(() => second = SeedRun.Run(seed, Faults, SimulationHooks.None));
        thread.Start();
        thread.Join();

        Assert.Equal((first.Trace, first.Steps, first.Commits), (second!.Trace, second.Steps, second.Commits));
        Assert.Equal(first.Faults, second.Faults);
    }

    [Fact]
    public void Faults_strike_and_change_the_run()
    {
        var results = Enumerable.Range(1, 20).Select(seed => SeedRun.Run((ulong)seed, Faults, SimulationHooks.None)).ToArray();

        string[] kinds = ["read", "create", "lease", "heartbeat", "complete", "fate", "unit"];
        var struck = results.SelectMany(r => r.Faults).ToArray();
        Assert.All(kinds, kind => Assert.Contains(struck, fault => fault.Contains(kind, StringComparison.Ordinal)));
        Assert.All(results.Where(r => r.Faults.Count > 5), r => Assert.NotEqual(SeedRun.Run(r.Seed, 0, SimulationHooks.None).Trace, r.Trace));
    }

    [Fact]
    public void A_failing_seed_is_made_small_and_still_fails_the_same_way()
    {
        var hooks = Mistakes.CommitsOverwritten;
        var failed = Mistakes.FirstCaught(hooks, 1_000);

        var small = new SeedShrinker(Faults, hooks, budget: 100).Shrink(failed);

        Assert.Equal(failed.Violation!.Invariant, small.Result.Violation!.Invariant);
        Assert.True(small.Result.Faults.Count < failed.Faults.Count, $"{failed.Faults.Count} faults became {small.Result.Faults.Count}");
        Assert.Equal((failed.Trace, failed.Violation), (SeedRun.Run(failed.Seed, Faults, hooks).Trace, SeedRun.Run(failed.Seed, Faults, hooks).Violation));
    }

    private sealed class Silent : IProgressSink
    {
        public void Update(ProgressSnapshot snapshot)
        {
        }

        public void Note(string text)
        {
        }
    }
}
