using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Plans;

public sealed class PipelineTests
{
    [Fact]
    public void Every_unit_has_an_id_of_its_own()
    {
        var ids = PlanUnits.All(SampleJobs.Plan()).Select(u => u.Id).ToArray();

        Assert.Equal(ids.Length, ids.Distinct().Count());
    }

    [Fact]
    public void The_short_ways_to_ids_costs_and_keys_give_what_the_long_ones_give()
    {
        foreach (var pipeline in PlanUnits.Pipelines(SampleJobs.Plan()))
        {
            for (var stage = 0; stage < pipeline.Stages.Count; stage++)
            {
                RowsKeys? keys = null;
                for (var index = 0; index < pipeline.Stages[stage]; index++)
                {
                    var place = new UnitPlace(stage, index);
                    var unit = pipeline[place];
                    Assert.Equal((unit.Id, unit.Cost), (pipeline.IdOf(place), pipeline.CostOf(place)));
                    if (unit.Spec is not RowsSpec rows)
                        continue;
                    keys ??= new RowsKeys(unit.Kind, rows, SampleJobs.Profile);
                    Assert.True(keys.Covers(rows));
                    KeyInput[] inputs = [.. unit.Inputs.Select((input, i) => new KeyInput(input.Role, SampleJobs.Digest((char)('a' + i % 6))))];
                    var units = inputs.Select(i => new UnitInput(i.Role, new BlobRef("anywhere", i.Sha256, 1))).ToArray();
                    Assert.Equal(CanonicalJson.Digest(UnitKeys.Document(unit.Kind, rows, units, SampleJobs.Profile)), keys.Compute(rows, inputs));
                }
            }
        }
    }

    [Fact]
    public void Units_take_inputs_from_earlier_stages_only()
    {
        foreach (var pipeline in PlanUnits.Pipelines(SampleJobs.Plan()))
        {
            for (var stage = 0; stage < pipeline.Stages.Count; stage++)
            {
                for (var index = 0; index < pipeline.Stages[stage]; index++)
                {
                    foreach (var source in pipeline[new UnitPlace(stage, index)].Inputs.Select(i => i.Source).OfType<FromUnit>())
                        Assert.True(source.Unit.Stage < stage && source.Unit.Index < pipeline.Stages[source.Unit.Stage]);
                }
            }
        }
    }

    [Fact]
    public void A_layer_goes_through_trace_selection_finish_and_then_quantization()
    {
        var plan = SampleJobs.Plan();
        var ids = PlanUnits.All(new LayerPipeline(plan.Settings, plan.Layers[1])).Select(u => u.Id);

        Assert.Equal(
            [
                "layer/1/hessian", "layer/1/step/0/inverse", "layer/1/step/0/trace/0-63", "layer/1/step/0/select", "layer/1/step/0/finish/0-63",
                "layer/1/step/1/rows/0-63",
            ],
            ids);
    }

    [Fact]
    public void The_roles_of_each_units_inputs_are_those_its_spec_defines()
    {
        var plan = SampleJobs.Plan(new ExactObsStep(0.5), new ObqStep(4));
        var pipeline = new LayerPipeline(plan.Settings, plan.Layers[1]);

        Assert.Equal(
            [
                "model gram gram gram", "hessian", "weights hessian inverse", "losses", "weights hessian order counts", "weights hessian original",
            ],
            PlanUnits.All(pipeline).Select(u => string.Join(' ', u.Inputs.Select(i => i.Role))));
        Assert.Equal(["codes", "scales", "zeros"], pipeline.ResultRoles);
    }

    [Fact]
    public void Row_units_of_a_later_step_get_just_the_weight_blobs_that_overlap_their_rows()
    {
        var layer = SampleJobs.Layer("/wide", rows: 96, columns: 1_152);
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new NmStep(2, 4), new ObqStep(4)), SampleJobs.Outline(layer)));
        var pipeline = new LayerPipeline(plan.Settings, plan.Layers[0]);
        var first = new RowRanges(plan.Layers[0].Shape, plan.Layers[0].Steps[0].RangeRows);
        var stage = pipeline.Stages.Count - 1;
        Assert.True(pipeline.Stages[stage] > first.Count, "the later step is dearer, so its ranges must be smaller for this test to say anything");

        for (var index = 0; index < pipeline.Stages[stage]; index++)
        {
            var unit = pipeline[new UnitPlace(stage, index)];
            var spec = (RowsSpec)unit.Spec;
            var given = unit.Inputs.Where(i => i.Role == Roles.Weights).Select(i => first[((FromUnit)i.Source).Unit.Index]).ToArray();
            Assert.Equal(given[0].First, spec.WeightsFirstRow);
            Assert.True(given[0].First <= spec.FirstRow && given[0].End > spec.FirstRow);
            Assert.True(given[^1].First < spec.FirstRow + spec.Rows && given[^1].End >= spec.FirstRow + spec.Rows);
        }
    }

    [Fact]
    public void Assembly_gets_each_layers_results_role_by_role_in_row_order()
    {
        var plan = SampleJobs.Plan(new ObqStep(4));
        var assembly = new ResultPipeline(plan, [0, 2])[new UnitPlace(0, 0)];
        var ranges = new RowRanges(plan.Layers[0].Shape, plan.Layers[0].Steps[^1].RangeRows).Count;

        var expected = new List<string> { "model" };
        foreach (var role in new[] { "codes", "scales", "zeros" })
            expected.AddRange(Enumerable.Repeat($"{role}/0", ranges));
        expected.AddRange(["codes/2", "scales/2", "zeros/2"]);
        Assert.Equal(expected, assembly.Inputs.Select(i => i.Role));
        Assert.Equal(Enumerable.Range(0, expected.Count - 1), assembly.Inputs.Skip(1).Select(i => ((FromGiven)i.Source).Position));
    }

    [Fact]
    public void Shards_cover_every_sample_once_and_latencies_are_measured_alone()
    {
        var plan = SampleJobs.Plan();
        var grams = PlanUnits.All(new StatisticsPipeline(plan, 0)).Select(u => (GramSpec)u.Spec).ToArray();
        var evaluations = PlanUnits.All(new BaselinePipeline(plan.Settings)).Select(u => (EvaluateSpec)u.Spec).ToArray();

        Assert.Equal([(0, 256), (256, 256), (512, 88)], grams.Select(g => (g.First, g.Count)));
        Assert.Equal([(0, 2_500), (2_500, 2_500), (5_000, 1_000)], evaluations.Select(e => (e.First, e.Count)));
        Assert.Equal([1, 4, 1, 1], new ResultPipeline(plan, [0]).Stages);
    }

    [Fact]
    public void Without_evaluation_data_there_are_no_metrics_but_still_latencies()
    {
        var recipe = SampleJobs.Recipe();
        recipe = recipe with { Data = recipe.Data with { Evaluation = null } };
        var plan = Planner.Plan(SampleJobs.Request(recipe, SampleJobs.ThreeLayers()));

        var ids = PlanUnits.All(plan).Select(u => u.Id).Where(id => id.StartsWith("evaluate/", StringComparison.Ordinal) || id.StartsWith("latency/", StringComparison.Ordinal));

        Assert.Equal(["latency/float", "latency/compressed"], ids);
    }

    [Fact]
    public void A_layer_of_a_million_row_units_is_planned_without_listing_them()
    {
        const int Rows = 1_000_000;
        const long MostBytes = 4 << 20;
        var plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new NmStep(2, 4)), SampleJobs.Outline(SampleJobs.Layer("/huge", rows: Rows, columns: 5_400, kernel: 1))));
        var before = GC.GetAllocatedBytesForCurrentThread();

        var totals = PlanUnits.Totals(plan);
        var last = new LayerPipeline(plan.Settings, plan.Layers[0])[new UnitPlace(2, Rows - 1)];

        Assert.Equal("layer/0/step/0/rows/999999-999999", last.Id);
        Assert.True(totals.Units > Rows);
        Assert.True(GC.GetAllocatedBytesForCurrentThread() - before < MostBytes);
    }
}
