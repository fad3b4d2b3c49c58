using Orchestrator.Cli.Reports;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Estimates;

namespace Orchestrator.Cli.Estimating;

/// <summary>An estimate held against what the machine has, before anything is written.</summary>
/// <param name="Warnings">What may go wrong, each with its remedy.</param>
internal sealed record Preflight(JobEstimate Estimate, IReadOnlyList<string> Warnings)
{
    /// <param name="store">The store's folder; null where it lies on no volume.</param>
    /// <param name="storedBytes">Bytes that the store holds already; asked for only where the disk looks too small.</param>
    /// <exception cref="InputException">The store's volume has too little room (<c>disk-too-small</c>).</exception>
    public static Preflight Of(JobEstimate estimate, int slots, MachineLimits limits, string? store, Func<long> storedBytes)
    {
        if (store is not null && limits.FreeDiskBytes(store) is var free && free < estimate.MostDiskBytes && free + storedBytes() < estimate.MostDiskBytes)
        {
            throw new InputException(
                "disk-too-small", "--store", $"The job will write about {Figures.Bytes(estimate.MostDiskBytes)}, and the volume of '{store}' has {Figures.Bytes(free)} free.",
                "Give a store on a larger volume with --store, or free some space.");
        }

        return new Preflight(estimate, [.. WarningsOf(estimate, slots, limits.MemoryBytes)]);
    }

    private static IEnumerable<string> WarningsOf(JobEstimate estimate, int slots, long memory)
    {
        if (estimate.MemoryBytes <= memory)
            yield break;
        var needs = $"about {Figures.Bytes(estimate.MemoryBytes)} of memory will be needed, and there are {Figures.Bytes(memory)}";
        var fit = Math.Min(estimate.Memory.SlotsWithin(memory), slots - 1);
        yield return fit > 0
            ? $"{needs}: run with --slots {fit}"
            : $"{needs}: not even one slot fits; the largest unit is {estimate.Memory.LargestUnit} with {Figures.Bytes(estimate.Memory.SlotBytes)}";
    }
}
