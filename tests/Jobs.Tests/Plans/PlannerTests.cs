using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Plans;

public sealed class PlannerTests
{
    [Fact]
    public void The_same_request_gives_the_same_job_and_every_difference_that_matters_another()
    {
        var request = SampleJobs.Request(SampleJobs.Recipe(), SampleJobs.ThreeLayers());
        var variants = new[]
        {
            request,
            request with { Profile = "other" },
            request with { Model = request.Model with { Sha256 = SampleJobs.Digest('9') } },
            request with { Recipe = request.Recipe with { BatchNorm = BatchNormMode.Keep } },
            request with { Recipe = SampleJobs.Recipe(new ExactObsStep(0.6), new ObqStep(4)) },
            request with { Recipe = SampleJobs.Recipe(new ExactObsStep(0.5, MaskSelection.Sort), new ObqStep(4)) },
            request with { Evaluation = null, Recipe = request.Recipe with { Data = request.Recipe.Data with { Evaluation = null } } },
        };

        Assert.Equal(Planner.Plan(request).ComputeJobId(), Planner.Plan(request).ComputeJobId());
        Assert.Equal(variants.Length, variants.Select(v => Planner.Plan(v).ComputeJobId()).Distinct().Count());
    }

    [Fact]
    public void Where_the_output_goes_is_no_part_of_the_job()
    {
        var request = SampleJobs.Request(SampleJobs.Recipe(), SampleJobs.ThreeLayers());

        Assert.Equal(
            Planner.Plan(request).ComputeJobId(),
            Planner.Plan(request with { Recipe = request.Recipe with { OutputFolder = "elsewhere" } }).ComputeJobId());
    }

    [Fact]
    public void A_plan_survives_its_own_JSON()
    {
        var plan = SampleJobs.Plan();

        var read = System.Text.Json.JsonSerializer.Deserialize<JobPlan>(CanonicalJson.Serialize(plan), CanonicalJson.Options)!;

        Assert.Equal(plan.ComputeDigest(), read.ComputeDigest());
        Assert.Equal(PlanUnits.All(plan).Select(u => u.Id), PlanUnits.All(read).Select(u => u.Id));
    }

    [Fact]
    public void The_first_rule_that_matches_overrides_the_steps()
    {
        var recipe = SampleJobs.Recipe() with
        {
            Layers = [new LayerRule("/fc") { Bits = 8 }, new LayerRule("/conv*") { Sparsity = 0.25 }, new LayerRule("*") { Skip = true }],
        };

        var plan = Planner.Plan(SampleJobs.Request(recipe, SampleJobs.ThreeLayers()));

        Assert.Equal([(0.25, 4), (0.25, 4), (0.5, 8)], plan.Layers.Select(l => (l.Steps[0].Step.Sparsity!.Value, l.Steps[1].Step.Bits!.Value)));
    }

    [Fact]
    public void A_skipped_layer_has_no_steps_and_a_reason_and_takes_no_part()
    {
        var recipe = SampleJobs.Recipe() with { Layers = [new LayerRule("/conv1") { Skip = true }] };

        var plan = Planner.Plan(SampleJobs.Request(recipe, SampleJobs.ThreeLayers()));

        Assert.Empty(plan.Layers[0].Steps);
        Assert.Equal("the rule '/conv1' skips it", plan.Layers[0].Reason);
        Assert.Equal([1, 2], plan.StatisticsGroups.SelectMany(g => g));
        Assert.Equal(["b1"], plan.Blocks.Select(b => b.Name));
        Assert.DoesNotContain(PlanUnits.All(plan), u => u.Id.StartsWith("layer/0/", StringComparison.Ordinal));
    }

    [Fact]
    public void A_rule_for_a_shared_weight_may_use_any_of_its_nodes_names()
    {
        var shared = SampleJobs.Layer("/a") with { SharedWith = ["/b"] };
        var recipe = SampleJobs.Recipe() with { Layers = [new LayerRule("/b") { Bits = 8 }] };

        var plan = Planner.Plan(SampleJobs.Request(recipe, SampleJobs.Outline(shared, SampleJobs.Layer("/c"))));

        Assert.Equal([8, 4], plan.Layers.Select(l => l.Steps[^1].Step.Bits!.Value));
    }

    [Fact]
    public void A_step_that_cannot_do_a_layer_is_left_out_with_the_reason()
    {
        var stem = SampleJobs.Layer("/stem", columns: 27);

        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new NmStep(2, 4), new RtnStep(4)), SampleJobs.Outline(stem, SampleJobs.Layer("/conv"))));

        Assert.Equal(["rtn"], plan.Layers[0].Steps.Select(s => s.Step.Method));
        Assert.Equal("nm: 3 input channels are no multiple of the pattern's 4", plan.Layers[0].Reason);
        Assert.Equal(["nm", "rtn"], plan.Layers[1].Steps.Select(s => s.Step.Method));
    }

    [Fact]
    public void Steps_after_a_pruning_step_start_pruned_and_share_no_inverse()
    {
        var plan = SampleJobs.Plan(new NmStep(2, 4), new ObqStep(4));

        Assert.Equal([(true, false), (false, true)], plan.Layers[0].Steps.Select(s => (s.NeedsInverse, s.StartsPruned)));
    }

    [Fact]
    public void Statistics_are_grouped_so_that_each_run_stays_within_its_memory()
    {
        const int Columns = 3_000;
        var layers = Enumerable.Range(0, 8).Select(i => SampleJobs.Layer($"/l{i}", columns: Columns)).Append(SampleJobs.Layer("/huge", columns: 7_200)).ToArray();

        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(), SampleJobs.Outline(layers)));

        Assert.Equal(Enumerable.Range(0, layers.Length), plan.StatisticsGroups.SelectMany(g => g));
        Assert.All(plan.StatisticsGroups.Where(g => g.Count > 1), g =>
            Assert.True(g.Sum(l => Planner.HessianBytes(plan.Layers[l].Shape)) <= Planner.StatisticsBytes));
        Assert.Contains(plan.StatisticsGroups, g => g.SequenceEqual([8]));
        Assert.Contains(plan.StatisticsGroups, g => g.Count == 3);
    }

    [Fact]
    public void A_model_with_a_fixed_batch_gets_shards_of_whole_batches()
    {
        var outline = SampleJobs.ThreeLayers() with { Inputs = [new TensorOutline("input", "float32", [100, 1, 28, 28])] };

        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(), outline));

        Assert.Equal(new SampleShards(600, 200, 100), plan.Settings.CalibrationShards);
        Assert.Equal(new SampleShards(6_000, 2_500, 100), plan.Settings.EvaluationShards);
    }

    public static TheoryData<string, PlanRequest> Wrong()
    {
        var outline = SampleJobs.ThreeLayers();
        var good = SampleJobs.Request(SampleJobs.Recipe(), outline);
        PlanRequest WithRule(LayerRule rule, params CompressStep[] steps) => SampleJobs.Request(SampleJobs.Recipe(steps) with { Layers = [rule] }, outline);
        PlanRequest WithData(DataHeader data) => good with { Calibration = data };
        return new TheoryData<string, PlanRequest>
        {
            { "no-supported-layer", SampleJobs.Request(SampleJobs.Recipe(), SampleJobs.Outline()) },
            { "layer-pattern-unmatched", WithRule(new LayerRule("/nothing*") { Skip = true }) },
            { "layer-rule-without-effect", WithRule(new LayerRule("/fc") { Bits = 8 }, new NmStep(2, 4)) },
            { "layer-rule-without-effect", WithRule(new LayerRule("/fc") { Sparsity = 0.5 }, new NmStep(2, 4)) },
            { "nothing-to-compress", WithRule(new LayerRule("*") { Skip = true }) },
            { "step-after-quantization", SampleJobs.Request(SampleJobs.Recipe(new ObqStep(4), new ExactObsStep(0.5)), outline) },
            { "too-few-samples", WithData(SampleJobs.Data("calibration.npz", 'b', 599, labels: false)) },
            { "data-empty", WithData(SampleJobs.Data("calibration.npz", 'b', 0, labels: false)) },
            { "data-input-missing", WithData(good.Calibration with { Arrays = [] } with { Arrays = [new TensorOutline("labels", "int64", [600])] }) },
            { "data-shape", WithData(good.Calibration with { Arrays = [new TensorOutline("x", "uint8", [600, 28, 28])] }) },
            { "data-shape", WithData(good.Calibration with { Arrays = [new TensorOutline("x", "uint8", [600, 1, 28, 27])] }) },
            { "data-shape", WithData(good.Calibration with { Arrays = [new TensorOutline("input", "uint8", [600, 1, 28, 28]), new TensorOutline("labels", "int64", [601])] }) },
            { "labels-missing", good with { Evaluation = SampleJobs.Data("test.npz", 'c', 100, labels: false) } },
            { "data-shape", WithData(good.Calibration with { Arrays = [new TensorOutline("x", "uint8", [5_000_000_000, 0, 28, 28])] }) },
            { "batch-unclear", SampleJobs.Request(SampleJobs.Recipe(), outline with { Inputs = [new TensorOutline("input", "float32", [5_000_000_000, 1, 28, 28])] }) },
            { "batch-remainder", SampleJobs.Request(SampleJobs.Recipe(), outline with { Inputs = [new TensorOutline("input", "float32", [7, 1, 28, 28])] }) },
        };
    }

    [Theory]
    [MemberData(nameof(Wrong))]
    public void Wrong_input_is_refused_with_its_code(string code, PlanRequest request)
    {
        var refused = Assert.Throws<InputException>(() => Planner.Plan(request));

        Assert.Equal(code, refused.Code);
        Assert.All(new[] { refused.Subject, refused.Message, refused.Remedy }, text => Assert.False(string.IsNullOrWhiteSpace(text)));
    }

    [Theory]
    [InlineData(ExistingZeros.Auto, 0.04, false)]
    [InlineData(ExistingZeros.Auto, 0.05, true)]
    [InlineData(ExistingZeros.Keep, 0.01, true)]
    [InlineData(ExistingZeros.Keep, 0.0, false)]
    [InlineData(ExistingZeros.Free, 0.9, false)]
    public void Zeros_that_a_layer_has_are_a_mask_where_the_recipe_or_their_number_says_so(ExistingZeros mode, double zeros, bool kept)
    {
        var outline = SampleJobs.Outline(SampleJobs.Layer("/conv") with { Zeros = zeros }, SampleJobs.Layer("/dense"));

        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new ObqStep(4)) with { Zeros = mode }, outline));

        Assert.Equal(kept ? zeros : null, plan.Layers[0].KeptZeros);
        Assert.Equal((kept, !kept), (plan.Layers[0].Steps[0].StartsPruned, plan.Layers[0].Steps[0].NeedsInverse));
        Assert.Null(plan.Layers[1].KeptZeros);
        Assert.True(plan.Layers[1].Steps[0].NeedsInverse);
    }

    [Fact]
    public void A_trace_keeps_its_rows_where_asked_and_within_the_bound()
    {
        var outline = SampleJobs.Outline(SampleJobs.Layer("/small"), SampleJobs.Layer("/large", rows: 512, columns: 4_608));
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new ExactObsStep(0.5) { Trace = TraceKeeping.Rows }), outline));
        var pipeline = new LayerPipeline(plan.Settings, plan.Layers[0]);

        Assert.Equal((true, false), (plan.Layers[0].Steps[0].KeepsRows, plan.Layers[1].Steps[0].KeepsRows));
        Assert.Null(plan.Layers[0].Reason);
        Assert.Contains("more than 256", plan.Layers[1].Reason, StringComparison.Ordinal);
        var rows = PlanUnits.All(pipeline).Where(u => u.Spec is RowsSpec).ToArray();
        Assert.All(rows, u => Assert.True(((RowsSpec)u.Spec).KeepsRows));
        Assert.All(rows.Where(u => ((RowsSpec)u.Spec).Phase == RowsPhase.Finish), u =>
        {
            Assert.Contains(u.Inputs, i => i.Role == Roles.Kept);
            Assert.DoesNotContain(u.Inputs, i => i.Role == Roles.Order);
        });
    }

    /// <summary>Sizes of infra/docs/results.md, where the benchmark kept-rows measured which mode is faster, and what fits no layer's bound.</summary>
    [Theory]
    [InlineData(48, 216, 1, false)]
    [InlineData(24, 864, 1, false)]
    [InlineData(4, 2304, 1, false)]
    [InlineData(48, 432, 4, false)]
    [InlineData(12, 1152, 4, false)]
    [InlineData(4, 2304, 4, false)]
    [InlineData(48, 432, 16, false)]
    [InlineData(24, 864, 16, true)]
    [InlineData(12, 1152, 16, true)]
    [InlineData(4, 2304, 16, true)]
    [InlineData(512, 4608, 16, false)]
    public void By_itself_a_trace_keeps_its_rows_where_that_costs_less(int rows, int columns, int size, bool keeps)
    {
        var outline = SampleJobs.Outline(SampleJobs.Layer("/layer", rows, columns));
        // What one trace serves must not choose it, nor may the machine.
        foreach (var (sparsity, profile) in ((double, string)[])[(0.1, "avx2"), (0.99, "avx2"), (0.5, "avx512")])
        {
            CompressStep step = size == 1 ? new ExactObsStep(sparsity) : new BlockStep(size, sparsity);
            var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(step), outline) with { Profile = profile });
            Assert.Equal(keeps, plan.Layers[0].Steps[0].KeepsRows);
            Assert.Null(plan.Layers[0].Reason);
        }
    }

    [Fact]
    public void Keeping_rows_moves_cost_from_the_second_pass_to_the_trace()
    {
        var costs = new Dictionary<TraceKeeping, (double Trace, double Finish)>();
        foreach (var keeping in (TraceKeeping[])[TraceKeeping.Rows, TraceKeeping.Order])
        {
            var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new ExactObsStep(0.5) { Trace = keeping }), SampleJobs.Outline(SampleJobs.Layer("/layer"))));
            var rows = PlanUnits.All(new LayerPipeline(plan.Settings, plan.Layers[0])).Where(u => u.Spec is RowsSpec).ToLookup(u => ((RowsSpec)u.Spec).Phase, u => u.Cost);
            costs[keeping] = (rows[RowsPhase.Trace].Sum(), rows[RowsPhase.Finish].Sum());
        }

        Assert.True(costs[TraceKeeping.Rows].Trace > costs[TraceKeeping.Order].Trace);
        Assert.True(costs[TraceKeeping.Rows].Finish < costs[TraceKeeping.Order].Finish);
    }
}
