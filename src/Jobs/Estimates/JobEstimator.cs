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

    /// <summary>Processor time of a unit's bookkeeping: lease, files and commit.</summary>
    public double UnitSeconds { get; init; } = 0.005;
}

/// <summary>(plan, speed) → estimate. Pure; walks stages, not units, so a plan of a million units costs no more than one of a thousand.</summary>
public static class JobEstimator
{
    private const double RecordBytes = 1_500;
    private const int FewUnits = 64;
    private const double ReportBytes = 100_000;

    /// <summary>Opening the store, the runtime and the host.</summary>
    private const double StartSeconds = 0.3;

    /// <summary>Compiling the program as it comes to its parts: 2 to 3 seconds of processor time in every run that was looked at. Most parts come up at the first units.</summary>
    private const double CompileSeconds = 2;

    /// <summary>A file, its entry and the folders above it; of the inputs, the plan and the end of the job.</summary>
    private const int FlushesOfFile = 3;

    public static JobEstimate Estimate(JobPlan plan, EstimateRequest request)
    {
        var works = new UnitWorks(plan, request);
        var totals = new Totals();
        long[] files = [plan.Settings.Model.Length, plan.Settings.Calibration.Length, plan.Settings.Evaluation?.Length ?? 0];
        var inputs = files.Distinct().Sum() + plan.Settings.ExternalBytes();
        var slots = new Slots(Math.Max(1, Math.Min(request.Slots, request.Cores)), request.Speed);
        PhaseEstimate[] phases =
        [
            Import(files.Length + (plan.Settings.ModelTensors?.Count ?? 0), inputs, request.Speed),
            Phase("statistics", PlanUnits.Pipelines(plan).Where(p => p is BaselinePipeline or StatisticsPipeline), works, slots, totals, sequential: false, CompileSeconds),
            Phase("layers", PlanUnits.Pipelines(plan).Where(p => p is LayerPipeline), works, slots, totals, sequential: false),
            .. plan.Reconstruction is null ? [] : new[] { Phase("reconstruction", PlanUnits.Pipelines(plan).Where(p => p is ReconstructionPipeline), works, slots, totals, sequential: true) },
            Phase("result", PlanUnits.Pipelines(plan).Where(p => p is ResultPipeline), works, slots, totals, sequential: true),
        ];
        var disk = new DiskEstimate(inputs, (long)totals.Statistics, (long)totals.Outputs, (long)(totals.Units * RecordBytes), (long)(totals.Model + ReportBytes)) { Passing = (long)totals.Passing };
        var memory = new MemoryEstimate(
            request.ProcessBytes, (long)(Math.Min(request.CacheBytes, inputs - plan.Settings.ExternalBytes() + totals.Kept) + totals.Mapped), (long)totals.Memory, totals.LargestUnit);
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

    private static PhaseEstimate Import(int files, long bytes, MachineSpeed speed)
    {
        // Hashed on the way in, and once more when read.
        var cpu = StartSeconds + 2 * bytes / speed.HashBytes;
        return new PhaseEstimate("import", cpu * speed.Contention + FlushesOfFile * files * speed.FlushSeconds + bytes / speed.WriteBytes, cpu, 0);
    }

    /// <param name="sequential">Stages of the pipelines follow each other with nothing beside them; otherwise other pipelines fill the gaps.</param>
    /// <param name="compiling">Processor time beside that of the units.</param>
    private static PhaseEstimate Phase(string name, IEnumerable<IUnitPipeline> pipelines, UnitWorks works, Slots slots, Totals totals, bool sequential, double compiling = 0)
    {
        var (cpu, busy, alone, chain, cost) = (compiling, compiling * slots.Speed.Contention, 0.0, 0.0, 0.0);
        foreach (var pipeline in pipelines)
        {
            var own = 0.0;
            for (var stage = 0; stage < pipeline.Stages.Count; stage++)
            {
                if (pipeline.Stages[stage] == 0)
                    continue;
                var work = Stage(pipeline, stage, works, slots, totals);
                totals.EndStage(Math.Min(slots.Count, pipeline.Stages[stage]));
                cpu += work.CpuSeconds;
                busy += work.SlotSeconds;
                cost += work.Cost;
                own += work.Span + UnitWork.CommitSeconds(slots.Speed);
            }

            alone += own;
            chain = Math.Max(chain, own);
        }

        return new PhaseEstimate(name, sequential ? alone : Math.Max(busy / slots.Count, chain), cpu, cost);
    }

    /// <summary>Few units are looked at one by one. Many differ in their size only, and only the last is smaller.</summary>
    private static StageWork Stage(IUnitPipeline pipeline, int stage, UnitWorks works, Slots slots, Totals totals)
    {
        var count = pipeline.Stages[stage];
        if (count <= FewUnits)
            return Stage(Enumerable.Range(0, count).Select(index => pipeline[new UnitPlace(stage, index)]), works, slots, totals);
        var (first, last) = (pipeline[new UnitPlace(stage, 0)], pipeline[new UnitPlace(stage, count - 1)]);
        var (most, least) = (works.Of(first), works.Of(last));
        totals.Add(first, most, count - 1);
        totals.Add(last, least, 1);
        var busy = most.SlotSeconds(slots.Speed) * (count - 1) + least.SlotSeconds(slots.Speed);
        return new StageWork(most.Seconds * (count - 1) + least.Seconds, busy, busy / slots.Count, first.Cost * (count - 1) + last.Cost);
    }

    /// <summary>Each unit goes to the slot that is free first, as the scheduler hands them out.</summary>
    private static StageWork Stage(IEnumerable<PlannedUnit> units, UnitWorks works, Slots slots, Totals totals)
    {
        var free = new double[slots.Count];
        var (cpu, cost) = (0.0, 0.0);
        foreach (var unit in units)
        {
            var work = works.Of(unit);
            totals.Add(unit, work, 1);
            free[Array.IndexOf(free, free.Min())] += work.SlotSeconds(slots.Speed);
            (cpu, cost) = (cpu + work.Seconds, cost + unit.Cost);
        }

        return new StageWork(cpu, free.Sum(), free.Max(), cost);
    }

    private sealed record Slots(int Count, MachineSpeed Speed);

    /// <param name="SlotSeconds">Wall time of all slots together.</param>
    /// <param name="Span">Wall time from the start of the first unit to the end of the last, where nothing else runs.</param>
    private readonly record struct StageWork(double CpuSeconds, double SlotSeconds, double Span, double Cost);

    private sealed class Totals
    {
        public double Units { get; private set; }
        public double Statistics { get; private set; }
        public double Outputs { get; private set; }

        /// <summary>Bytes that more than one unit reads. A shard's sums are read by their layer's Hessian alone.</summary>
        public double Kept { get; private set; }

        /// <summary>The most that is there for some stages only. A stage writes them, and the next one that does comes when they are gone.</summary>
        public double Passing { get; private set; }

        /// <summary>The most that the units of a stage map at once.</summary>
        public double Mapped { get; private set; }

        public double Memory { get; private set; }
        public string LargestUnit { get; private set; } = "";
        public double Model { get; private set; }

        private double _passing;
        private double _mapped;

        /// <param name="atOnce">How many of its units run side by side.</param>
        public void EndStage(int atOnce)
        {
            (Passing, Mapped) = (Math.Max(Passing, _passing), Math.Max(Mapped, atOnce * _mapped));
            (_passing, _mapped) = (0, 0);
        }

        public void Add(PlannedUnit unit, UnitWork work, int count)
        {
            (_passing, _mapped) = (_passing + count * work.PassingBytes, Math.Max(_mapped, work.MappedBytes));
            Units += count;
            Statistics += count * work.StatisticsBytes;
            Outputs += count * work.OutputBytes;
            Kept += count * (work.OutputBytes + (unit.Spec is GramSpec ? 0 : work.StatisticsBytes));
            if (work.MemoryBytes > Memory)
                (Memory, LargestUnit) = (work.MemoryBytes, unit.Id);
            if (unit.Kind == UnitKind.Assemble)
                Model = work.OutputBytes;
        }
    }
}
