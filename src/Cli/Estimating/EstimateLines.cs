using Orchestrator.Cli.Reports;
using Orchestrator.Jobs.Estimates;
using Spectre.Console;

namespace Orchestrator.Cli.Estimating;

/// <summary>An estimate as people read it.</summary>
internal static class EstimateLines
{
    public static void Print(IAnsiConsole console, JobEstimate estimate, int slots)
    {
        var (memory, disk) = (estimate.Memory, estimate.Disk);
        var phases = string.Join(", ", estimate.Phases.Select(phase => $"{phase.Name} {Figures.Duration(phase.Seconds)}"));
        console.MarkupLineInterpolated($"time     about {Figures.Duration(estimate.Seconds)}: {phases}");
        console.MarkupLineInterpolated(
            $"memory   about {Figures.Bytes(estimate.MemoryBytes)}: process {Figures.Bytes(memory.ProcessBytes)}, cached blobs {Figures.Bytes(memory.CacheBytes)}, {slots} × {Figures.Bytes(memory.SlotBytes)} ({memory.LargestUnit})");
        var passing = disk.Passing > 0 ? $", and {Figures.Bytes(disk.Passing)} for a while" : "";
        console.MarkupLineInterpolated(
            $"disk     about {Figures.Bytes(estimate.DiskBytes)}: inputs {Figures.Bytes(disk.Inputs)}, statistics {Figures.Bytes(disk.Statistics)}, other units {Figures.Bytes(disk.Attempts)}, records {Figures.Bytes(disk.Records)}{passing}; results {Figures.Bytes(disk.Out)}");
    }
}
