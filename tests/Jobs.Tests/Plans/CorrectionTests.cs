using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Plans;

/// <summary>Where corrections are made, in which order, on which samples.</summary>
public sealed class CorrectionTests
{
    [Fact]
    public void Without_corrections_the_result_is_what_it_was()
    {
        var plan = Plan(BatchNormMode.Fold);

        Assert.Empty(plan.Corrections);
        var assembly = (AssembleSpec)new ResultPipeline(plan, [0, 1, 2])[new UnitPlace(0, 0)].Spec;
        Assert.Null(assembly.Applied);
        Assert.Null(assembly.FoldsAfter);
    }

    [Fact]
    public void Biases_come_first_then_batch_norms_then_means_and_variances()
    {
        var plan = Plan(BatchNormMode.Retune, Correction.MeanVariance, Correction.Bias);

        Assert.Equal(BatchNormMode.Keep, plan.Settings.BatchNorm);
        Assert.Equal([Correction.Bias, Correction.BatchNorm, Correction.MeanVariance], plan.Corrections.Select(c => c.Kind));
        Assert.Equal([2, 1, 3], plan.Corrections.Select(c => c.Levels.Count));
        Assert.Equal(["/conv1", "/conv2"], plan.Corrections[0].Levels[0].Select(s => s.Node));
        Assert.Equal(["/bn1", "/bn2"], plan.Corrections[1].Levels[0].Select(s => s.Node));
    }

    [Fact]
    public void Each_level_is_measured_with_everything_before_it_applied()
    {
        var plan = Plan(BatchNormMode.Retune, Correction.MeanVariance, Correction.Bias);
        var pipeline = new ResultPipeline(plan, [0, 1, 2]);
        var units = PlanUnits.All(pipeline).ToDictionary(u => u.Id);

        Assert.Equal(
            [
                "draft", "correct/bias/reference/0", "correct/bias/reference/1", "correct/bias/reference/2", "correct/bias/0/moments/0", "correct/bias/0/moments/1", "correct/bias/0/moments/2",
                "correct/bias/0",
            ],
            units.Keys.Take(8));
        var last = (MomentsSpec)units["correct/mean-variance/2/moments/1"].Spec;
        Assert.Equal([Correction.Bias, Correction.Bias, Correction.BatchNorm, Correction.MeanVariance, Correction.MeanVariance], last.Applied.Select(a => a.Kind));
        Assert.Equal(["draft", "data", .. Enumerable.Repeat("corrections", 5)], units["correct/mean-variance/2/moments/1"].Inputs.Select(i => i.Role));
        Assert.Equal(["draft", "moments", "moments"], units["correct/batch-norm/0"].Inputs.Select(i => i.Role));
        Assert.Equal([.. Enumerable.Repeat("moments", 3), .. Enumerable.Repeat("reference", 3)], units["correct/mean-variance/0"].Inputs.Select(i => i.Role));
        var assembly = (AssembleSpec)units["assemble"].Spec;
        Assert.Equal((6, true), (assembly.Applied!.Count, assembly.FoldsAfter));
        Assert.Equal(BatchNormMode.Fold, ((CompareSpec)units["compare"].Spec).BatchNorm);
        Assert.Equal(units.Count, PlanUnits.Totals(pipeline).Units);
    }

    [Theory]
    [InlineData(1_024, new[] { 256, 256, 256, 256 }, 128)]
    [InlineData(600, new[] { 256, 256 }, 128)]
    [InlineData(100, new[] { 100 }, 100)]
    public void Batch_norms_are_tuned_on_whole_batches_of_128(int samples, int[] shards, int batch)
    {
        var tuned = Plan(BatchNormMode.Retune, samples).Corrections[0].Shards;

        Assert.Equal(shards, Enumerable.Range(0, tuned.Count).Select(i => tuned[i].Count));
        Assert.Equal(batch, tuned.Batch);
    }

    [Fact]
    public void A_layer_that_is_left_alone_keeps_its_bias()
    {
        var recipe = Recipe(BatchNormMode.Fold, Correction.Bias) with { Layers = [new LayerRule("/conv1") { Skip = true }] };

        var correction = Assert.Single(Planner.Plan(SampleJobs.Request(recipe, Outline())).Corrections);

        Assert.DoesNotContain(correction.Sites, s => s.Node == "/conv1");
    }

    [Theory]
    [InlineData(BatchNormMode.Retune, null, "batch_norm")]
    [InlineData(BatchNormMode.Fold, Correction.MeanVariance, "correct")]
    public void A_correction_that_finds_nothing_is_refused(BatchNormMode mode, Correction? correction, string subject)
    {
        var request = SampleJobs.Request(Recipe(mode, correction is { } c ? [c] : []), Outline() with { Norms = [] });

        var thrown = Assert.Throws<InputException>(() => Planner.Plan(request));

        Assert.Equal(("correction-without-effect", subject), (thrown.Code, thrown.Subject));
    }

    private static JobPlan Plan(BatchNormMode mode, params Correction[] corrections) => Planner.Plan(SampleJobs.Request(Recipe(mode, corrections), Outline()));

    private static JobPlan Plan(BatchNormMode mode, int samples)
    {
        var recipe = Recipe(mode);
        return Planner.Plan(SampleJobs.Request(recipe with { Data = recipe.Data with { Calibration = new CalibrationData("calibration.npz", samples) } }, Outline()));
    }

    private static Recipe Recipe(BatchNormMode mode, params Correction[] corrections) => SampleJobs.Recipe() with { BatchNorm = mode, Correct = corrections };

    /// <summary>Two branches with a batch norm each, then a LayerNormalization and the last layer.</summary>
    private static ModelOutline Outline() => SampleJobs.ThreeLayers() with
    {
        Norms =
        [
            new("/bn1", "BatchNormalization", null, ChannelAxis.Second, 96, 0), new("/bn2", "BatchNormalization", null, ChannelAxis.Second, 64, 1),
            new("/ln", "LayerNormalization", null, ChannelAxis.Last, 64, 2),
        ],
        LayerOutputs =
        [
            new("/conv1", "Conv", "/conv1", ChannelAxis.Second, 96, 0), new("/conv2", "Conv", "/conv2", ChannelAxis.Second, 64, 0),
            new("/fc", "Gemm", "/fc", ChannelAxis.Last, 10, 1),
        ],
    };
}
