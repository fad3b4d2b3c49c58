using Orchestrator.Jobs.Estimates;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Estimates;

public sealed class JobEstimatorTests
{
    private const double Rounding = 1e-9;

    private static readonly EstimateRequest s_request = new()
    {
        Speed = MachineSpeed.Nominal,
        Slots = 2,
        Cores = 4,
        ProcessBytes = 100 << 20,
        CacheBytes = 512 << 20,
    };

    [Fact]
    public void The_same_plan_and_speed_give_the_same_estimate_and_the_plan_is_not_asked_for_the_speed()
    {
        var plan = SampleJobs.Plan();
        var job = plan.ComputeJobId();

        var first = JobEstimator.Estimate(plan, s_request);
        var second = JobEstimator.Estimate(plan, s_request with { Speed = MachineSpeed.Nominal with { Forward = 1 } });

        Assert.Equivalent(first, JobEstimator.Estimate(plan, s_request), strict: true);
        Assert.True(second.Seconds > first.Seconds);
        Assert.Equal(job, plan.ComputeJobId());
    }

    [Fact]
    public void The_phases_make_up_the_whole()
    {
        var estimate = JobEstimator.Estimate(SampleJobs.Plan(), s_request);

        Assert.Equal(["import", "statistics", "layers", "result"], estimate.Phases.Select(phase => phase.Name));
        Assert.All(estimate.Phases, phase => Assert.True(phase.Seconds > 0));
        Assert.Equal(estimate.Seconds, estimate.Phases.Sum(phase => phase.Seconds), Rounding);
        Assert.Equal(PlanUnits.All(SampleJobs.Plan()).Sum(unit => unit.Cost), estimate.Phases.Sum(phase => phase.Cost), 1);
        Assert.Equal(estimate.DiskBytes, estimate.Disk.Inputs + estimate.Disk.Statistics + estimate.Disk.Attempts + estimate.Disk.Records);
    }

    [Fact]
    public void More_slots_take_more_memory_and_less_time_up_to_the_cores()
    {
        var plan = SampleJobs.Plan();
        JobEstimate With(int slots) => JobEstimator.Estimate(plan, s_request with { Slots = slots });

        Assert.Equal(With(1).MemoryBytes + 3 * With(1).Memory.SlotBytes, With(4).MemoryBytes);
        Assert.True(With(2).Seconds < With(1).Seconds);
        Assert.Equal(With(4).Seconds, With(16).Seconds);
        Assert.Equal(With(1).CpuSeconds, With(4).CpuSeconds, Rounding);
        Assert.Equal(With(1).DiskBytes, With(4).DiskBytes);
    }

    [Fact]
    public void A_machine_that_others_use_takes_longer_by_the_clock_and_no_more_work()
    {
        var plan = SampleJobs.Plan();
        var fastDisk = MachineSpeed.Nominal with { FlushSeconds = 0, WriteBytes = double.PositiveInfinity };
        var idle = JobEstimator.Estimate(plan, s_request with { Speed = fastDisk });
        var busy = JobEstimator.Estimate(plan, s_request with { Speed = fastDisk with { Contention = 3 } });

        Assert.Equal(3 * idle.Seconds, busy.Seconds, Rounding);
        Assert.Equal(idle.CpuSeconds, busy.CpuSeconds);
    }

    [Fact]
    public void A_disk_that_takes_longer_to_flush_makes_slots_wait_and_no_more_work()
    {
        // One layer, one row unit: nothing runs beside it, so the layer waits for each of its flushes.
        var recipe = SampleJobs.Recipe(new RtnStep(4)) with { Data = new RecipeData { Calibration = new CalibrationData("calibration.npz", 512) } };
        var plan = Planner.Plan(SampleJobs.Request(recipe, SampleJobs.Outline(SampleJobs.Layer("/fc", rows: 10, columns: 64, kernel: 1))));
        JobEstimate With(double flush) => JobEstimator.Estimate(plan, s_request with { Speed = MachineSpeed.Nominal with { FlushSeconds = flush } });
        var (fast, slow) = (With(0), With(1));

        // Hessian and weights, then weights, codes, scales and zeros: six blobs of two flushes, two attempts of three, two commits of four.
        Assert.Equal(6 * 2 + 2 * 3 + 2 * 4, slow.Phases[2].Seconds - fast.Phases[2].Seconds, Rounding);
        Assert.Equal(fast.CpuSeconds, slow.CpuSeconds);
    }

    [Fact]
    public void Units_of_a_stage_wait_for_a_free_slot()
    {
        // Shards of the evaluation and the comparison: with a slot for each, the longest of them decides; with one slot less, two share one.
        var evaluation = new EvaluationData("test.npz", "top1");
        var recipe = SampleJobs.Recipe(new RtnStep(4)) with { Data = new RecipeData { Calibration = new CalibrationData("calibration.npz", 512), Evaluation = evaluation } };
        var outline = SampleJobs.Outline(SampleJobs.Layer("/fc", rows: 10, columns: 64, kernel: 1));
        var plan = Planner.Plan(SampleJobs.Request(recipe, outline));
        var units = PlanUnits.All(plan).Count(unit => unit.Id.StartsWith(ResultPipeline.EvaluationPrefix, StringComparison.Ordinal)) + 1;
        JobEstimate With(int slots) => JobEstimator.Estimate(plan, s_request with { Slots = slots, Cores = 2 * units });

        Assert.Equal(With(units).Phases[3].Seconds, With(2 * units).Phases[3].Seconds);
        Assert.True(With(units - 1).Phases[3].Seconds > With(units).Phases[3].Seconds);
    }

    [Fact]
    public void A_graph_for_the_first_layers_costs_only_the_way_to_them()
    {
        var plan = Planner.Plan(SampleJobs.Request(
            SampleJobs.Recipe(new RtnStep(4)),
            SampleJobs.Outline(SampleJobs.Layer("/first", rows: 10, columns: 64, kernel: 1), SampleJobs.Layer("/last", rows: 30, columns: 64, kernel: 1))));

        Assert.Equal(0.25, PlanUnits.ForwardShare(plan, [0]), Rounding);
        Assert.Equal(1, PlanUnits.ForwardShare(plan, [0, 1]), Rounding);
        Assert.True(PlanUnits.StatisticsOperations(plan, [plan.Layers[0]], 1) < PlanUnits.StatisticsOperations(plan, [plan.Layers[1]], 1));
    }

    [Fact]
    public void Disk_is_what_the_units_write()
    {
        // One layer of 10 × 64, two shards of statistics, its Hessian and, for OBQ, one inverse: four matrices of doubles.
        var recipe = SampleJobs.Recipe(new ObqStep(4)) with { Data = new RecipeData { Calibration = new CalibrationData("calibration.npz", 512) } };
        var outline = SampleJobs.Outline(SampleJobs.Layer("/fc", rows: 10, columns: 64, kernel: 1));
        var plan = Planner.Plan(SampleJobs.Request(recipe, outline));

        var estimate = JobEstimator.Estimate(plan, s_request);
        var disk = estimate.Disk;

        Assert.Equal(4 * 64 * 64 * sizeof(double), disk.Statistics);
        // The layer's weights, then weights and codes of its rows with a scale and a zero each, then the model with codes of half a byte.
        Assert.Equal((10 * 64 * 4) + (10 * 64 * 8) + (10 * 8) + (4_000 - 10 * 64 * 7 / 2), disk.Attempts);
        Assert.Equal(4_000 + 1_000, disk.Inputs);
        // The sums of the two shards are read once and not kept.
        Assert.Equal(disk.Inputs + 2 * 64 * 64 * sizeof(double) + disk.Attempts, estimate.Memory.CacheBytes);
    }

    [Theory]
    [InlineData("rtn")]
    [InlineData("obq")]
    [InlineData("exact-obs")]
    [InlineData("nm+obq")]
    public void Every_method_has_a_price_and_solvers_cost_more_than_rounding(string methods)
    {
        CompressStep[] steps = [.. methods.Split('+').Select<string, CompressStep>(method => method switch
        {
            "rtn" => new RtnStep(4),
            "obq" => new ObqStep(4),
            "nm" => new NmStep(2, 4),
            _ => new ExactObsStep(0.5),
        })];
        double Layers(params CompressStep[] of) => JobEstimator.Estimate(SampleJobs.Plan(of), s_request).Phases[2].CpuSeconds;

        Assert.True(double.IsFinite(Layers(steps)));
        Assert.True(methods == "rtn" ? Layers(steps) > 0 : Layers(steps) > 2 * Layers(new RtnStep(4)));
    }

    [Fact]
    public void Progress_in_operations_is_progress_in_seconds_phase_by_phase()
    {
        var estimate = JobEstimator.Estimate(SampleJobs.Plan(), s_request);
        var (statistics, layers, result) = (estimate.Phases[1], estimate.Phases[2], estimate.Phases[3]);

        Assert.Equal(0, estimate.SecondsAt(0));
        Assert.Equal(statistics.Seconds / 2, estimate.SecondsAt(statistics.Cost / 2), Rounding);
        Assert.Equal(statistics.Seconds + layers.Seconds / 2, estimate.SecondsAt(statistics.Cost + layers.Cost / 2), Rounding);
        Assert.Equal(statistics.Seconds + layers.Seconds + result.Seconds, estimate.SecondsAt(double.MaxValue), Rounding);
    }

    [Theory]
    [InlineData(16, 10)]
    [InlineData(64, 10)]
    [InlineData(128, 20)]
    [InlineData(256, 40)]
    [InlineData(4096, 40)]
    public void Rates_lie_between_those_measured(double columns, double expected) =>
        Assert.Equal(expected, SpeedPoint.RateAt([new(64, 10), new(256, 40)], columns), Rounding);

    [Theory]
    [InlineData(10, 0)]
    [InlineData(74, 0)]
    [InlineData(75, 1)]
    [InlineData(130, 3)]
    public void The_slots_that_fit(long memory, int slots) =>
        Assert.Equal(slots, new MemoryEstimate(30, 20, 25, "unit").SlotsWithin(memory));
}
