namespace Orchestrator.Jobs.Estimates;

/// <summary>What a job will take, its first run from an empty store.</summary>
public sealed record JobEstimate
{
    /// <summary>Wall time.</summary>
    public required double Seconds { get; init; }

    /// <summary>Time of all cores together.</summary>
    public required double CpuSeconds { get; init; }

    /// <summary>Peak working set of the process.</summary>
    public required long MemoryBytes { get; init; }

    /// <summary>Bytes that the store grows by.</summary>
    public required long DiskBytes { get; init; }

    /// <summary>The most bytes that it has grown by at any time: activations are deleted once the groups that they were captured for are done.</summary>
    public long MostDiskBytes => DiskBytes + Disk.Passing;

    /// <summary>In the order of the job.</summary>
    public required IReadOnlyList<PhaseEstimate> Phases { get; init; }

    public required MemoryEstimate Memory { get; init; }
    public required DiskEstimate Disk { get; init; }

    /// <summary>Seconds that the first <paramref name="cost"/> nominal operations of the job take: linear within a phase.</summary>
    public double SecondsAt(double cost)
    {
        var seconds = 0.0;
        foreach (var phase in Phases)
        {
            if (phase.Cost <= 0)
                continue;
            var part = Math.Clamp(cost / phase.Cost, 0, 1);
            seconds += part * phase.Seconds;
            cost -= part * phase.Cost;
        }

        return seconds;
    }
}

/// <param name="Name"><c>import</c>, <c>statistics</c>, <c>layers</c>, <c>reconstruction</c> or <c>result</c>.</param>
/// <param name="Seconds">Wall time.</param>
/// <param name="CpuSeconds">Time of all cores together.</param>
/// <param name="Cost">Nominal operations.</param>
public sealed record PhaseEstimate(string Name, double Seconds, double CpuSeconds, double Cost);

/// <param name="ProcessBytes">Program, libraries, the model and the plan.</param>
/// <param name="CacheBytes">Blobs kept between units, and files that units map into memory.</param>
/// <param name="SlotBytes">What the largest unit needs beside them, once for each slot.</param>
/// <param name="LargestUnit">The unit that needs most.</param>
public sealed record MemoryEstimate(long ProcessBytes, long CacheBytes, long SlotBytes, string LargestUnit)
{
    /// <summary>The most slots that fit into some memory; 0 where not even one does.</summary>
    public int SlotsWithin(long memoryBytes) =>
        (int)Math.Clamp((memoryBytes - ProcessBytes - CacheBytes) / Math.Max(SlotBytes, 1), 0, int.MaxValue);
}

/// <param name="Inputs">Model and data files.</param>
/// <param name="Statistics">Sums, Hessians and inverses.</param>
/// <param name="Attempts">What all other units write: traces, weights, codes, the model.</param>
/// <param name="Records">Commit records and state.</param>
/// <param name="Out">The results folder; not part of the store.</param>
public sealed record DiskEstimate(long Inputs, long Statistics, long Attempts, long Records, long Out)
{
    /// <summary>The most of what comes and goes while the job runs.</summary>
    public long Passing { get; init; }
}
