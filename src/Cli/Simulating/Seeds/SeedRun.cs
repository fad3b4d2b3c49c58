using Orchestrator.Cli.Simulating.Cluster;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Cli.Simulating.Seeds;

/// <summary>One seed: its jobs without faults, the same jobs with faults, and a last look at the store alone.</summary>
internal static class SeedRun
{
    /// <summary>After faults are over every job must be done within this time; an honest one takes minutes.</summary>
    private static readonly TimeSpan s_patience = TimeSpan.FromHours(2);

    public static SeedResult Run(ulong seed, double faults, SimulationHooks hooks, IReadOnlySet<string>? only = null) =>
        Run(SimulatedShape.Draw(seed, faults), faults, hooks, only);

    public static SeedResult Run(SimulatedShape shape, double faults, SimulationHooks hooks, IReadOnlySet<string>? only)
    {
        var context = SynchronizationContext.Current;
        // Whatever hosts us must not take part: continuations belong to the simulated processes.
        SynchronizationContext.SetSynchronizationContext(null);
        try
        {
            var expected = Faultless(shape);
            using var world = new SimulatedWorld(shape.Seed);
            var plan = new FaultPlan(shape.Seed, faults, only);
            var cluster = new SimulatedCluster(world, shape, plan, hooks, expected);
            new Fate(cluster, shape).Begin();
            cluster.Start();
            var stuck = 0;
            if (!world.Run(() => plan.IsOver && cluster.HaveAllSucceeded, shape.Troubled + s_patience))
            {
                stuck = 1;
                world.Report("no job is stuck", Missing(shape, cluster));
            }

            if (world.Violation is null)
                LookAgain(world, cluster, shape, expected);
            return new SeedResult(shape.Seed, world.Violation, cluster.Witness.Commits, cluster.Witness.Doubled, cluster.Witness.Lost, stuck, world.Trace.Digest, world.Steps, plan.Struck, world.Trace.Last);
        }
        finally
        {
            SynchronizationContext.SetSynchronizationContext(context);
        }
    }

    private static Dictionary<string, SimulatedOutcome> Faultless(SimulatedShape shape)
    {
        using var world = new SimulatedWorld(shape.Seed);
        var none = new FaultPlan(shape.Seed, 0, null);
        var cluster = new SimulatedCluster(world, shape with { Workers = 2, Damage = 0, Servers = 0 }, none, SimulationHooks.None, null);
        cluster.StartCoordinator();
        cluster.StartWorkers();
        if (!world.Run(() => cluster.HaveAllSucceeded, s_patience) || world.Violation is not null)
            throw new InvalidOperationException($"Seed {shape.Seed} fails without any fault: {world.Violation?.ToString() ?? Missing(shape, cluster)}");
        return cluster.Results.ToDictionary(r => r.Key, r => Outcome(r.Value));
    }

    /// <summary>
    /// Status is a fold of commits: a new coordinator over the same store must find every job done, with nobody there to work. Where blobs were
    /// damaged some units may have to run again.
    /// </summary>
    private static void LookAgain(SimulatedWorld world, SimulatedCluster cluster, SimulatedShape shape, Dictionary<string, SimulatedOutcome> expected)
    {
        cluster.KillAll();
        cluster.StartCoordinator();
        if (cluster.Witness.DamagedBlobs > 0)
            cluster.StartWorkers();
        if (!world.Run(() => cluster.HaveAllSucceeded, world.Now + s_patience))
        {
            world.Report("status equals the fold of commits", $"a new look at the store does not find what was told to be done: {Missing(shape, cluster)}");
            return;
        }

        foreach (var (job, result) in cluster.Results)
        {
            var computed = result.Summary.Computed;
            if (computed > 0 && cluster.Witness.DamagedBlobs == 0)
                world.Report("status equals the fold of commits", $"job {job} was done, but {computed} of its units were not committed");
            if (result.Summary.Computed + result.Summary.Reused != expected[job].Units)
                world.Report("no unit is lost", $"job {job} has {result.Summary.Computed + result.Summary.Reused} units, not {expected[job].Units}");
        }
    }

    private static SimulatedOutcome Outcome(JobResult result) => new(result.Fold, result.Model?.Sha256, result.Summary.Computed + result.Summary.Reused);

    private static string Missing(SimulatedShape shape, SimulatedCluster cluster)
    {
        var missing = shape.Jobs.Where(j => !cluster.Results.TryGetValue(j.Id, out var result) || result.Status != Jobs.Machines.JobStatus.Succeeded);
        return string.Join(", ", missing.Select(j => cluster.Results.TryGetValue(j.Id, out var result) ? $"{j.Id} {result.Status} ({result.Reason})" : $"{j.Id} has no end"));
    }
}

/// <summary>What a seed came to.</summary>
/// <param name="Violation">Null where every promise was kept.</param>
/// <param name="Trace">Digest over everything that happened: equal for equal runs.</param>
/// <param name="Faults">Names of the faults that struck.</param>
/// <param name="Last">The last events in words.</param>
internal sealed record SeedResult(
    ulong Seed, Violation? Violation, int Commits, int Doubled, int Lost, int Stuck, string Trace, long Steps, IReadOnlyList<string> Faults, IReadOnlyList<string> Last);
