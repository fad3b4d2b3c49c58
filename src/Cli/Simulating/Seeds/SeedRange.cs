using Orchestrator.Cli.Progress;
using Orchestrator.Cli.Simulating.Cluster;

namespace Orchestrator.Cli.Simulating.Seeds;

/// <summary>Many seeds, each a world of its own, as many at once as there are cores. What comes out does not depend on how many.</summary>
internal static class SeedRange
{
    /// <summary>Runs of a failing seed that its shrinking may take.</summary>
    private const int ShrinkBudget = 300;

    /// <summary>Failing seeds that are made small; the others are only counted.</summary>
    private const int MostShrunk = 3;

    public static SimulateResult Run(ulong first, int count, double faults, SimulationHooks hooks, IProgressSink sink, CancellationToken cancellation)
    {
        var results = new SeedResult[count];
        var done = 0;
        var tell = new Lock();
        var parallel = new ParallelOptions { CancellationToken = cancellation, MaxDegreeOfParallelism = Environment.ProcessorCount };
        Parallel.For(0, count, parallel, i =>
        {
            // Kept without its words where nothing went wrong: there may be millions.
            var result = SeedRun.Run(first + (ulong)i, faults, hooks);
            results[i] = result.Violation is null ? result with { Faults = [], Last = [] } : result;
            lock (tell)
            {
                done++;
                sink.Update(new ProgressSnapshot("simulating", done, count, 0, done, 0, count, null, "seeds"));
                if (result.Violation is { } violation)
                    sink.Note($"seed {result.Seed}: {violation.Invariant}");
            }
        });
        var shrinker = new SeedShrinker(faults, hooks, ShrinkBudget);
        var failed = results.Where(r => r.Violation is not null).ToArray();
        return new SimulateResult
        {
            Seeds = count,
            Failed = [.. failed.Select(r => r.Seed)],
            Commits = results.Sum(r => (long)r.Commits),
            Doubled = results.Sum(r => (long)r.Doubled),
            Lost = results.Sum(r => (long)r.Lost),
            Stuck = results.Sum(r => (long)r.Stuck),
            Steps = results.Sum(r => r.Steps),
            Failures = [.. failed.Take(MostShrunk).Select(r => SeedFailure.Of(r, shrinker.Shrink(r)))],
        };
    }
}

/// <summary>What <c>orc simulate</c> found.</summary>
internal sealed record SimulateResult
{
    /// <summary>Seeds that were run.</summary>
    public required int Seeds { get; init; }

    /// <summary>Seeds that broke a promise.</summary>
    public required IReadOnlyList<ulong> Failed { get; init; }

    public required long Commits { get; init; }

    /// <summary>Units that were committed while their commit stood.</summary>
    public required long Doubled { get; init; }

    /// <summary>Commits that went away though nothing was damaged.</summary>
    public required long Lost { get; init; }

    /// <summary>Runs that did not come to an end.</summary>
    public required long Stuck { get; init; }

    /// <summary>Pieces of code between two awaits that ran.</summary>
    public required long Steps { get; init; }

    public required IReadOnlyList<SeedFailure> Failures { get; init; }
}

/// <summary>A failing seed, in full and made small.</summary>
/// <param name="Faults">Faults of the small run, which suffice.</param>
/// <param name="Events">What happened last in the small run.</param>
internal sealed record SeedFailure(
    ulong Seed, string Invariant, string Detail, double AtSeconds, long Step, int Jobs, int Workers, int Slots, IReadOnlyList<string> Faults, IReadOnlyList<string> Events)
{
    public static SeedFailure Of(SeedResult failed, ShrunkSeed small) => new(
        failed.Seed, failed.Violation!.Invariant, small.Result.Violation!.Detail, small.Result.Violation.At.TotalSeconds, small.Result.Violation.Step,
        small.Jobs, small.Workers, small.Slots, small.Result.Faults, small.Result.Last);
}
