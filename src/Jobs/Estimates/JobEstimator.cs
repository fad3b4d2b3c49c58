using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Estimates;

/// <summary>What an estimate needs beside the plan.</summary>
public sealed record EstimateRequest
{
    public required MachineSpeed Speed { get; init; }

    public required int Slots { get; init; }

    /// <summary>Cores that the slots share.</summary>
    public required int Cores { get; init; }

    /// <summary>Working set of a process that has loaded program, runtime and model, and runs nothing yet.</summary>
    public required long ProcessBytes { get; init; }

    /// <summary>Most that the worker keeps of blobs between units.</summary>
    public required long CacheBytes { get; init; }

    /// <summary>Bookkeeping of a unit: lease, flushed blobs and commit.</summary>
    public double UnitSeconds { get; init; } = 0.01;
}

/// <summary>(plan, speed) → estimate. Pure; walks stages, not units, so a plan of a million units costs no more than one of a thousand.</summary>
public static class JobEstimator
{
    private const double RecordBytes = 1_500;
    private const int FewUnits = 64;
    private const double ReportBytes = 100_000;

    /// <summary>Opening the store, the runtime and the host.</summary>
    private const double StartSeconds = 0.3;

    public static JobEstimate Estimate(JobPlan plan, EstimateRequest request)
    {
        var works = new UnitWorks(plan, request);
        var parallel = Math.Max(1, Math.Min(request.Slots, request.Cores));
        var totals = new Totals();
        long[] files = [plan.Settings.Model.Length, plan.Settings.Calibration.Length, plan.Settings.Evaluation?.Length ?? 0];
        var inputs = files.Distinct().Sum() + plan.Settings.ExternalBytes();
        // Hashed on the way in, and once more when read.
        var import = StartSeconds + 2 * inputs / request.Speed.HashBytes;
        PhaseEstimate[] idle =
        [
            new("import", import, import, 0),
            Phase("statistics", PlanUnits.Pipelines(plan).Where(p => p is BaselinePipeline or StatisticsPipeline), works, parallel, totals, sequential: false),
            Phase("layers", PlanUnits.Pipelines(plan).Where(p => p is LayerPipeline), works, parallel, totals, sequential: false),
            Phase("result", PlanUnits.Pipelines(plan).Where(p => p is ResultPipeline), works, parallel, totals, sequential: true),
        ];
        PhaseEstimate[] phases = [.. idle.Select(phase => phase with { Seconds = phase.Seconds * request.Speed.Contention })];
        var disk = new DiskEstimate(inputs, (long)totals.Statistics, (long)totals.Outputs, (long)(totals.Units * RecordBytes), (long)(totals.Model + ReportBytes));
        var memory = new MemoryEstimate(
            request.ProcessBytes, (long)Math.Min(request.CacheBytes, inputs - plan.Settings.ExternalBytes() + totals.Statistics + totals.Outputs), (long)totals.Memory, totals.LargestUnit);
        return new JobEstimate
        {
            Seconds = phases.Sum(phase => phase.Seconds),
            CpuSeconds = phases.Sum(phase => phase.CpuSeconds),
            MemoryBytes = memory.ProcessBytes + memory.CacheBytes + request.Slots * memory.SlotBytes,
            DiskBytes = disk.Inputs + disk.Statistics + disk.Attempts + disk.Records,
            Phases = phases,
            Memory = memory,
            Disk = disk,
        };
    }

    /// <summary>Operations of one row's elimination, all columns: rank-one updates and the scans for the next pivot.</summary>
    public static double EliminationOperations(double columns) => columns * columns * columns / 3 + 64 * columns * columns;

    /// <param name="sequential">Stages of the pipelines follow each other with nothing beside them; otherwise other pipelines fill the gaps.</param>
    private static PhaseEstimate Phase(string name, IEnumerable<IUnitPipeline> pipelines, UnitWorks works, int parallel, Totals totals, bool sequential)
    {
        var (cpu, wall, chain, cost) = (0.0, 0.0, 0.0, 0.0);
        foreach (var pipeline in pipelines)
        {
            var own = 0.0;
            for (var stage = 0; stage < pipeline.Stages.Count; stage++)
            {
                if (pipeline.Stages[stage] == 0)
                    continue;
                var (seconds, longest, nominal) = Stage(pipeline, stage, works, totals);
                cpu += seconds;
                cost += nominal;
                own += Math.Max(longest, seconds / parallel);
            }

            wall += own;
            chain = Math.Max(chain, own);
        }

        return new PhaseEstimate(name, sequential ? wall : Math.Max(cpu / parallel, chain), cpu, cost);
    }

    /// <summary>Few units are looked at one by one. Many differ in their size only, and only the last is smaller.</summary>
    private static (double Seconds, double Longest, double Cost) Stage(IUnitPipeline pipeline, int stage, UnitWorks works, Totals totals)
    {
        var count = pipeline.Stages[stage];
        if (count <= FewUnits)
            return Stage(Enumerable.Range(0, count).Select(index => pipeline[new UnitPlace(stage, index)]), works, totals);
        var first = pipeline[new UnitPlace(stage, 0)];
        var last = count == 1 ? first : pipeline[new UnitPlace(stage, count - 1)];
        var (most, least) = (works.Of(first), works.Of(last));
        totals.Add(first, most, count - 1);
        totals.Add(last, least, 1);
        return (most.Seconds * (count - 1) + least.Seconds, Math.Max(most.Seconds, least.Seconds), first.Cost * (count - 1) + last.Cost);
    }

    private static (double Seconds, double Longest, double Cost) Stage(IEnumerable<PlannedUnit> units, UnitWorks works, Totals totals)
    {
        var (seconds, longest, cost) = (0.0, 0.0, 0.0);
        foreach (var unit in units)
        {
            var work = works.Of(unit);
            totals.Add(unit, work, 1);
            (seconds, longest, cost) = (seconds + work.Seconds, Math.Max(longest, work.Seconds), cost + unit.Cost);
        }

        return (seconds, longest, cost);
    }

    private sealed class Totals
    {
        public double Units { get; private set; }
        public double Statistics { get; private set; }
        public double Outputs { get; private set; }
        public double Memory { get; private set; }
        public string LargestUnit { get; private set; } = "";
        public double Model { get; private set; }

        public void Add(PlannedUnit unit, UnitWork work, int count)
        {
            Units += count;
            Statistics += count * work.StatisticsBytes;
            Outputs += count * work.OutputBytes;
            if (work.MemoryBytes > Memory)
                (Memory, LargestUnit) = (work.MemoryBytes, unit.Id);
            if (unit.Kind == UnitKind.Assemble)
                Model = work.OutputBytes;
        }
    }
}
