using Orchestrator.Cli.Simulating.Cluster;

namespace Orchestrator.Cli.Simulating.Seeds;

/// <summary>
/// Makes a failing seed small: fewer workers, slots and jobs, then fewer faults, as long as the same promise stays broken. Faults are left
/// out by delta debugging (Zeller and Hildebrandt 2002).
/// </summary>
internal sealed class SeedShrinker(double faults, SimulationHooks hooks, int budget)
{
    private int _left = budget;

    public ShrunkSeed Shrink(SeedResult failed)
    {
        var shape = SimulatedShape.Draw(failed.Seed, faults);
        var best = failed;
        foreach (var smaller in (Func<SimulatedShape, SimulatedShape>[])[s => s with { Jobs = [s.Jobs[0]] }, s => s with { Workers = 1 }, s => s with { Slots = 1 }, s => s with { Damage = 0 }])
        {
            if (TryRun(smaller(shape), null, failed) is not { } still)
                continue;
            (shape, best) = (smaller(shape), still);
        }

        best = Minimize(shape, best, failed);
        return new ShrunkSeed(best, shape.Jobs.Count, shape.Workers, shape.Slots);
    }

    private SeedResult Minimize(SimulatedShape shape, SeedResult best, SeedResult failed)
    {
        IReadOnlyList<string> struck = best.Faults;
        for (var parts = 2; struck.Count > 1 && _left > 0;)
        {
            var size = (struck.Count + parts - 1) / parts;
            var fewer = Chunks(struck, size).Select(chunk => struck.Except(chunk).ToArray())
                .Select(rest => TryRun(shape, rest.ToHashSet(StringComparer.Ordinal), failed))
                .FirstOrDefault(result => result is not null && result.Faults.Count < struck.Count);
            if (fewer is not null)
            {
                (best, struck) = (fewer, fewer.Faults);
                parts = Math.Max(parts - 1, 2);
            }
            else if (parts >= struck.Count)
            {
                break;
            }
            else
            {
                parts = Math.Min(parts * 2, struck.Count);
            }
        }

        return best;
    }

    private SeedResult? TryRun(SimulatedShape shape, IReadOnlySet<string>? only, SeedResult failed)
    {
        if (_left-- <= 0)
            return null;
        var result = SeedRun.Run(shape, faults, hooks, only);
        return result.Violation?.Invariant == failed.Violation!.Invariant ? result : null;
    }

    private static IEnumerable<string[]> Chunks(IReadOnlyList<string> items, int size) => items.Chunk(size);
}

/// <summary>The smallest run found that breaks the same promise.</summary>
internal sealed record ShrunkSeed(SeedResult Result, int Jobs, int Workers, int Slots);
