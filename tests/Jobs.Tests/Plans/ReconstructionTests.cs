using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Plans;

public sealed class ReconstructionTests
{
    private static readonly ReconstructStep s_brecq = new("brecq", 4) { Granularity = Granularity.Block, Iterations = 100 };

    /// <summary>A stem, two residual blocks of two resolutions and a classifier.</summary>
    private static readonly ModelOutline s_outline = SampleJobs.Outline(
        SampleJobs.Layer("/stem", columns: 9, block: "stem") with { Positions = 784 },
        SampleJobs.Layer("/a/conv1", block: "a") with { Positions = 784 },
        SampleJobs.Layer("/a/conv2", block: "a") with { Positions = 784 },
        SampleJobs.Layer("/b/conv1", block: "b"),
        SampleJobs.Layer("/b/conv2", block: "b"),
        SampleJobs.Layer("/c/conv1", block: "c"),
        SampleJobs.Layer("/fc", rows: 10, columns: 64, kernel: 1, block: "fc") with { Positions = 1 });

    private static readonly IEqualityComparer<PlannedUnit> s_byId = EqualityComparer<PlannedUnit>.Create((a, b) => a?.Id == b?.Id, unit => unit.Id.GetHashCode(StringComparison.Ordinal));

    [Fact]
    public void A_plan_without_a_reconstruction_is_what_it_always_was()
    {
        var plan = SampleJobs.Plan();

        Assert.Equal(1, plan.Schema);
        Assert.DoesNotContain("econstruct", System.Text.Encoding.UTF8.GetString(CanonicalJson.Serialize(plan)), StringComparison.Ordinal);
        Assert.Equal(2, Plan(s_brecq).Schema);
    }

    [Fact]
    public void The_first_layer_keeps_its_nearest_codes_of_8_bits_and_the_last_one_gets_8()
    {
        var plan = Plan(s_brecq);

        Assert.Equal(("rtn", 8), (Assert.Single(plan.Layers[0].Steps).Step.Method, plan.Layers[0].StoredBits()));
        Assert.Null(plan.Layers[0].Reconstruct);
        Assert.Equal([4, 4, 4, 4, 4, 8], plan.Layers.Skip(1).Select(l => l.Reconstruct!.Bits));
        Assert.Equal([[0]], plan.StatisticsGroups);
    }

    [Fact]
    public void A_layer_that_cannot_be_reconstructed_is_left_to_OBQ_and_says_why()
    {
        var outline = s_outline with { Layers = [.. s_outline.Layers.Select(l => l.Name == "/c/conv1" ? l with { Obstacle = "'/c/odd' (Odd) has no gradient" } : l)] };
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(s_brecq with { Grid = GridKind.MinMax }), outline));
        var left = plan.Layers[5];

        Assert.Null(left.Reconstruct);
        Assert.Equal(("obq", 4, GridKind.MinMax), (Assert.Single(left.Steps).Step.Method, left.StoredBits(), left.Steps[0].Step.Grid));
        Assert.Equal("brecq: '/c/odd' (Odd) has no gradient; OBQ instead", left.Reason);
        Assert.DoesNotContain(plan.Reconstruction!.Groups, g => g.Layers.Contains(5));
        // What follows is fed by its codes.
        Assert.Contains(PlanUnits.All(Pipeline(plan)).Select(u => u.Spec).OfType<CaptureSpec>(), c => c.Prefix.Any(l => l.Index == 5));
    }

    [Fact]
    public void With_the_same_bits_everywhere_nothing_but_the_reconstruction_is_done()
    {
        var plan = Plan(s_brecq, FirstLastBits.Same);

        Assert.All(plan.Layers, l => Assert.Equal(4, l.StoredBits()));
        Assert.Empty(plan.StatisticsGroups);
        Assert.Empty(plan.Blocks);
        Assert.Equal(7, plan.Reconstruction!.Groups.Sum(g => g.Layers.Count));
    }

    [Theory]
    [InlineData(Granularity.Layer, "/a/conv1: 1 | /a/conv2: 2 | /b/conv1: 3 | /b/conv2: 4 | /c/conv1: 5 | /fc: 6")]
    [InlineData(Granularity.Block, "a: 1 2 | b: 3 4 | /c/conv1: 5 | /fc: 6")]
    [InlineData(Granularity.Stage, "a: 1 2 | b to c: 3 4 5 | /fc: 6")]
    [InlineData(Granularity.Net, "net: 1 2 3 4 5 6")]
    public void Groups_are_as_large_as_asked_for(Granularity granularity, string expected)
    {
        var plan = Plan(s_brecq with { Granularity = granularity });

        Assert.Equal(expected, string.Join(" | ", plan.Reconstruction!.Groups.Select(g => $"{g.Name}: {string.Join(' ', g.Layers)}")));
        Assert.All(plan.Reconstruction.Groups, g => Assert.Null(g.Reason));
    }

    [Theory]
    [InlineData(Granularity.Block, "a: 1 2 | /b/conv1: 3 | /b/conv2: 4 | /c/conv1: 5 | /fc: 6")]
    [InlineData(Granularity.Net, "net: 1 2 | /b/conv1: 3 | /b/conv2: 4 | net: 5 6")]
    public void A_block_with_an_operator_that_has_no_gradient_is_done_layer_by_layer_and_says_so(Granularity granularity, string expected)
    {
        var outline = s_outline with { Blocks = [.. s_outline.Blocks.Select(b => b.Name == "b" ? b with { Obstacle = "'/b/odd' (Odd) has no gradient" } : b)] };
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(s_brecq with { Granularity = granularity }), outline));

        Assert.Equal(expected, string.Join(" | ", plan.Reconstruction!.Groups.Select(g => $"{g.Name}: {string.Join(' ', g.Layers)}")));
        Assert.Equal([3, 4], plan.Reconstruction.Groups.Where(g => g.Reason is not null).SelectMany(g => g.Layers));
        Assert.All(plan.Reconstruction.Groups.Where(g => g.Reason is not null), g => Assert.Contains("/b/odd", g.Reason, StringComparison.Ordinal));
    }

    [Fact]
    public void On_the_quantized_prefix_groups_follow_each_other_and_each_capture_has_all_results_before_it()
    {
        var plan = Plan(s_brecq);
        var pipeline = Pipeline(plan);
        var shards = plan.Settings.CalibrationShards.Count;

        Assert.Equal([shards, 1, shards, 1, shards, 1, shards, 1], pipeline.Stages);
        var captures = PlanUnits.All(pipeline).Where(u => u.Spec is CaptureSpec).ToArray();
        Assert.Equal([[0], [0, 1, 2], [0, 1, 2, 3, 4], [0, 1, 2, 3, 4, 5]], captures.Where((_, i) => i % shards == 0).Select(u => ((CaptureSpec)u.Spec).Prefix.Select(l => l.Index)));
        // The stem's codes are given, the others come from the groups before.
        Assert.Equal(["codes/0", "scales/0", "zeros/0", "weights/1", "weights/2"], captures[shards].Inputs.Skip(2).Select(i => i.Role));
        Assert.All(PlanUnits.All(pipeline), unit => Assert.Equal(2, unit.Inputs.Count(i => i.Source is FromBlob)));
    }

    [Fact]
    public void For_a_weighted_loss_captures_get_what_the_groups_own_layers_are_and_how_they_are_rounded()
    {
        var pruned = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new ExactObsStep(0.5), s_brecq with { Loss = ReconstructionLoss.Fisher, ActivationBits = 4 }), s_outline));
        var captures = PlanUnits.All(Pipeline(pruned)).Where(u => u.Spec is CaptureSpec).ToArray();
        var shards = pruned.Settings.CalibrationShards.Count;
        var (weights, activations) = (captures[shards], captures[captures.Length / 2 + shards]);

        // What is before the second group, and then what pruning has left of its own layers.
        Assert.Equal(["weights/1", "weights/2", "weights/3", "weights/4"], weights.Inputs.Select(i => i.Role).Where(r => r.StartsWith("weights/", StringComparison.Ordinal)).Distinct().Except(["weights/0"]));
        Assert.Equal((GridKind.Mse, QuantizationScheme.Asymmetric), (((CaptureSpec)weights.Spec).Grid, ((CaptureSpec)weights.Spec).Scheme));
        // In the second phase they are codes by now.
        Assert.Equal((null, null), (((CaptureSpec)activations.Spec).Grid, ((CaptureSpec)activations.Spec).Scheme));
        Assert.All(((CaptureSpec)activations.Spec).Group.Layers, l => Assert.True(l.IsGiven));
        Assert.Equal(2, activations.Inputs.Count(i => i.Role is "weights/3" or "weights/4"));
        Assert.All(PlanUnits.All(Pipeline(Plan(s_brecq))).Select(u => u.Spec).OfType<CaptureSpec>(), c => Assert.Null(c.Grid));
    }

    [Fact]
    public void On_float_inputs_all_groups_are_captured_and_tuned_at_once()
    {
        var plan = Plan(s_brecq with { Inputs = ReconstructionInputs.Unquantized, ActivationBits = 4 });
        var pipeline = Pipeline(plan);
        var shards = plan.Settings.CalibrationShards.Count;

        Assert.Equal([4 * shards, 4, 1, 4], pipeline.Stages);
        Assert.All(PlanUnits.All(pipeline).Select(u => u.Spec).OfType<CaptureSpec>(), c => Assert.Empty(c.Prefix));
        // The second group's shards follow the first one's.
        var second = pipeline[new UnitPlace(1, 1)];
        Assert.Equal(
            Enumerable.Range(shards, shards).Select(i => new FromUnit(new UnitPlace(0, i), Roles.Activations)),
            second.Inputs.Where(i => i.Role == Roles.Activations).Select(i => (FromUnit)i.Source));
        Assert.All(PlanUnits.All(pipeline).Select(u => u.Spec).OfType<CaptureSpec>(), c => Assert.Null(c.Steps));
        Assert.Equal(new FromUnit(new UnitPlace(2, 0), Roles.StepSizes), pipeline[new UnitPlace(3, 1)].Inputs[^1].Source);
    }

    [Fact]
    public void In_two_phases_activations_follow_when_all_weights_are_quantized()
    {
        var plan = Plan(s_brecq with { ActivationBits = 4 });
        var pipeline = Pipeline(plan);
        var shards = plan.Settings.CalibrationShards.Count;

        Assert.Equal([ReconstructionPhase.Weights, ReconstructionPhase.Activations], plan.Reconstruction!.Phases);
        Assert.Equal(17, pipeline.Stages.Count);
        var capture = pipeline[new UnitPlace(11, 0)];
        var spec = Assert.IsType<CaptureSpec>(capture.Spec);
        Assert.Equal([0, 1, 2], spec.Prefix.Select(l => l.Index));
        Assert.Equal((4, 2), (spec.Activations!.Bits, spec.Steps));
        Assert.Equal([0, 6], spec.Activations.Eight.Select(l => l.Index));
        // The initial grids, and in their place those that the group before has tuned.
        FromUnit[] steps = [new(new UnitPlace(8, 0), Roles.StepSizes), new(new UnitPlace(10, 0), Roles.StepSizes)];
        Assert.Equal(steps, capture.Inputs.Where(i => i.Role == Roles.StepSizes).Select(i => (FromUnit)i.Source));
        var tuning = pipeline[new UnitPlace(10, 0)];
        Assert.Equal(["model", "data", .. Enumerable.Repeat("activations", shards), "weights/1", "weights/2", "step-sizes"], tuning.Inputs.Select(i => i.Role));
        Assert.Equal(steps[0], tuning.Inputs[^1].Source);
        Assert.Equal(5, pipeline.StepSizes);
    }

    [Theory]
    [InlineData(ReconstructionInputs.Quantized)]
    [InlineData(ReconstructionInputs.Unquantized)]
    public void A_group_without_quantized_activations_has_no_unit_that_tunes_them_and_the_others_are_what_they_were(ReconstructionInputs inputs)
    {
        var step = s_brecq with { ActivationBits = 4, Inputs = inputs };
        var outline = s_outline with { Layers = [.. s_outline.Layers.Select(l => l with { LeavesFloat = l.Name == "/fc" })] };
        var (plan, before) = (Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(step), outline)), Plan(step));
        var pipeline = Pipeline(plan);

        Assert.Equal((null, Pipeline(before).StepSizesOf(2)), (pipeline.StepSizesOf(3), pipeline.StepSizesOf(2)));
        Assert.Equal(4, pipeline.StepSizes);
        var last = Pipeline(before)[Pipeline(before).StepSizesOf(3)!.Value].Id;
        var gone = PlanUnits.All(Pipeline(before)).Where(u => u.Id == last || u.Id.StartsWith("reconstruct/activations/3/", StringComparison.Ordinal)).ToArray();
        Assert.Equal(inputs == ReconstructionInputs.Quantized ? 1 + plan.Settings.CalibrationShards.Count : 1, gone.Length);
        Assert.Equal(PlanUnits.All(Pipeline(before)).Except(gone, s_byId).Select(Shown), PlanUnits.All(pipeline).Select(Shown));
        var assemble = PlanUnits.Pipelines(plan).OfType<ResultPipeline>().Single()[new UnitPlace(0, 0)];
        Assert.Equal(4, assemble.Inputs.Count(i => i.Role == Roles.StepSizes));
        // Where nothing but weights, or both at once, are tuned, the plan is the same.
        Assert.All(
            (ReconstructStep[])[s_brecq, step with { Activations = ActivationTuning.Joint }],
            s => Assert.Equal(Plan(s).ComputeJobId(), Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(s), outline)).ComputeJobId()));

        // Everything that their keys are made of but for digests.
        static string Shown(PlannedUnit unit) => $"{unit.Id} {CanonicalJson.Digest(unit.Spec)} {string.Join(' ', unit.Inputs)}";
    }

    [Fact]
    public void Grids_of_activations_are_found_with_all_weights_quantized()
    {
        var pipeline = Pipeline(Plan(s_brecq with { ActivationBits = 4 }));
        var unit = pipeline[pipeline.Initial!.Value];
        var spec = Assert.IsType<StepSizesSpec>(unit.Spec);

        Assert.Equal(("reconstruct/activations/step-sizes", 64, 4), (unit.Id, spec.Samples, spec.Activations.Bits));
        Assert.Equal([0, 1, 2, 3, 4, 5, 6], spec.Prefix.Select(l => l.Index));
        Assert.Equal(
            ["model", "data", "codes/0", "scales/0", "zeros/0", .. Enumerable.Range(1, 6).Select(l => $"weights/{l}")], unit.Inputs.Select(i => i.Role));
        Assert.Null(Pipeline(Plan(s_brecq)).Initial);
    }

    [Theory]
    [InlineData(24, 48)]
    [InlineData(100, 100)]
    public void Grids_are_found_on_whole_batches(int batch, int expected)
    {
        var plan = Plan(s_brecq with { ActivationBits = 4 });
        plan = plan with { Settings = plan.Settings with { CalibrationShards = new SampleShards(2 * batch * 10, 10 * batch, batch) } };
        var pipeline = Pipeline(plan);

        Assert.Equal((expected, batch), ((StepSizesSpec)pipeline[pipeline.Initial!.Value].Spec is var spec ? (spec.Samples, spec.Batch) : default));
    }

    [Fact]
    public void Where_both_are_tuned_together_grids_are_found_first_with_the_weights_that_are_there()
    {
        var pipeline = Pipeline(Plan(s_brecq with { ActivationBits = 4, Activations = ActivationTuning.Joint }));
        var unit = pipeline[new UnitPlace(0, 0)];

        Assert.Equal([0], Assert.IsType<StepSizesSpec>(unit.Spec).Prefix.Select(l => l.Index));
        Assert.Equal(["model", "data", "codes/0", "scales/0", "zeros/0"], unit.Inputs.Select(i => i.Role));
        Assert.Equal(new FromUnit(new UnitPlace(0, 0), Roles.StepSizes), pipeline[pipeline.WeightsOf(2)].Inputs[^1].Source);
        Assert.Equal(3, pipeline[new UnitPlace(5, 0)].Inputs.Count(i => i.Role == Roles.StepSizes));
    }

    [Fact]
    public void Weights_are_tuned_by_the_same_units_whatever_follows_for_activations()
    {
        var (alone, followed) = (Pipeline(Plan(s_brecq)), Pipeline(Plan(s_brecq with { ActivationBits = 4, ActivationRate = 1 })));

        for (var stage = 0; stage < alone.Stages.Count; stage++)
            Assert.Equal(CanonicalJson.Digest(alone[new UnitPlace(stage, 0)].Spec), CanonicalJson.Digest(followed[new UnitPlace(stage, 0)].Spec));
    }

    [Fact]
    public void Everything_that_changes_a_result_is_in_the_key()
    {
        ReconstructStep[] variants =
        [
            s_brecq, s_brecq with { Iterations = 101 }, s_brecq with { Batch = 16 }, s_brecq with { Rate = 2e-3 }, s_brecq with { Lambda = 0.1 },
            s_brecq with { FirstBeta = 10 }, s_brecq with { LastBeta = 1 }, s_brecq with { Warmup = 0.1 }, s_brecq with { Loss = ReconstructionLoss.Fisher },
            s_brecq with { Grid = GridKind.MinMax }, s_brecq with { Scheme = QuantizationScheme.Symmetric }, new ReconstructStep("brecq", 3) { Granularity = Granularity.Block, Iterations = 100 },
            s_brecq with { ActivationBits = 4, Activations = ActivationTuning.Joint }, s_brecq with { ActivationBits = 4, Activations = ActivationTuning.Joint, Drop = 0.5 },
        ];
        var keys = variants.Select(v => KeyOf(Plan(v))).Append(KeyOf(Planner.Plan(Request(s_brecq) with { Recipe = SampleJobs.Recipe(s_brecq) with { Seed = 1 } }))).ToArray();

        Assert.Equal(keys.Length, keys.Distinct().Count());
        Assert.Equal(keys[0], KeyOf(Plan(s_brecq)));

        static string KeyOf(JobPlan plan) => CanonicalJson.Digest(Pipeline(plan)[Pipeline(plan).WeightsOf(0)].Spec);
    }

    [Theory]
    [InlineData(0.5, ReconstructionInputs.Quantized, true)]
    [InlineData(null, ReconstructionInputs.Quantized, null)]
    [InlineData(0.5, ReconstructionInputs.Unquantized, null)]
    public void Captures_have_what_enters_in_float_where_elements_of_it_stay_so(double? drop, ReconstructionInputs inputs, bool? expected)
    {
        var pipeline = Pipeline(Plan(s_brecq with { ActivationBits = 4, Activations = ActivationTuning.Joint, Drop = drop, Inputs = inputs }));
        var captures = pipeline.Stages.SelectMany((count, stage) => Enumerable.Range(0, count).Select(i => pipeline[new UnitPlace(stage, i)].Spec)).OfType<CaptureSpec>().ToList();

        Assert.NotEmpty(captures);
        Assert.All(captures, capture => Assert.Equal(expected, capture.Floats));
    }

    [Fact]
    public void Pruned_layers_are_reconstructed_with_their_masks_from_the_weights_that_pruning_left()
    {
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new ExactObsStep(0.5), s_brecq), s_outline));
        var unit = Pipeline(plan)[new UnitPlace(1, 0)];

        Assert.All(((ReconstructSpec)unit.Spec).Group.Layers, l => Assert.True(l.StartsPruned && l.IsGiven));
        Assert.Contains("weights/1", unit.Inputs.Select(i => i.Role));
        Assert.Equal(["exact-obs", "rtn"], plan.Layers[0].Steps.Select(s => s.Step.Method));
        Assert.All(plan.Layers.Skip(1), l => Assert.Equal(["exact-obs"], l.Steps.Select(s => s.Step.Method)));
    }

    [Fact]
    public void A_layer_whose_pruning_failed_is_in_no_group_and_a_group_of_such_layers_is_left_out()
    {
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new ExactObsStep(0.5), s_brecq), s_outline));
        var pipeline = new ReconstructionPipeline(plan, [0, 1, 3, 4, 6]);

        Assert.Equal([[1], [3, 4], [6]], pipeline.Groups.Select(g => g.Layers));
        Assert.Equal([1, 3, 4, 6], pipeline.Layers);
    }

    [Fact]
    public void Assembly_takes_given_layers_tuned_layers_and_then_grids_of_activations()
    {
        var plan = Plan(s_brecq with { ActivationBits = 4 });
        var pipeline = PlanUnits.Pipelines(plan).OfType<ResultPipeline>().Single();
        var assemble = pipeline[new UnitPlace(0, 0)];

        Assert.Equal(
            ["model", "codes/0", "scales/0", "zeros/0", "codes/1", "scales/1", "zeros/1"], assemble.Inputs.Take(7).Select(i => i.Role));
        Assert.Equal(Enumerable.Repeat("step-sizes", 5), assemble.Inputs.TakeLast(5).Select(i => i.Role));
        Assert.Equal(4, ((AssembleSpec)assemble.Spec).Activations!.Bits);
        Assert.Equal([8, 4, 4, 4, 4, 4, 8], ((AssembleSpec)assemble.Spec).Layers.Select(l => l.Bits!.Value));
    }

    [Theory]
    [InlineData("reconstruction-unfolded")]
    [InlineData("too-few-samples")]
    [InlineData("sample-of-reconstructed")]
    [InlineData("step-after-quantization")]
    public void What_cannot_be_reconstructed_is_refused(string code)
    {
        var recipe = SampleJobs.Recipe(s_brecq);
        var wrong = code switch
        {
            "reconstruction-unfolded" => recipe with { BatchNorm = BatchNormMode.Keep },
            "too-few-samples" => recipe with { Data = recipe.Data with { Calibration = new CalibrationData("calibration.npz", 31) } },
            "sample-of-reconstructed" => recipe with { Layers = [new LayerRule("/a/*") { Rows = 2 }] },
            _ => recipe with { Compress = [s_brecq, new ExactObsStep(0.5)] },
        };

        Assert.Equal(code, Assert.Throws<InputException>(() => Planner.Plan(SampleJobs.Request(wrong, s_outline))).Code);
    }

    [Fact]
    public void A_plan_survives_its_own_JSON()
    {
        var plan = Plan(s_brecq with { ActivationBits = 4 });
        var read = System.Text.Json.JsonSerializer.Deserialize<JobPlan>(CanonicalJson.Serialize(plan), CanonicalJson.Options)!;

        Assert.Equal(plan.ComputeJobId(), read.ComputeJobId());
        Assert.Equal(PlanUnits.All(plan).Select(u => CanonicalJson.Digest(u.Spec)), PlanUnits.All(read).Select(u => CanonicalJson.Digest(u.Spec)));
    }

    private static PlanRequest Request(ReconstructStep step, FirstLastBits? bits = null) => SampleJobs.Request(SampleJobs.Recipe(step) with { FirstLastBits = bits }, s_outline);

    private static JobPlan Plan(ReconstructStep step, FirstLastBits? bits = null) => Planner.Plan(Request(step, bits));

    private static ReconstructionPipeline Pipeline(JobPlan plan) => PlanUnits.Pipelines(plan).OfType<ReconstructionPipeline>().Single();
}
