using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Jobs.Tests.Reports;

public sealed class JobReportBuilderTests
{
    private static readonly ModelOutline s_outline = SampleJobs.ThreeLayers() with { Unsupported = [new UnsupportedNode("/lstm", "LSTM", "recurrent layers are left alone")] };

    private static readonly JobPlan s_plan = Planner.Plan(SampleJobs.Request(
        SampleJobs.Recipe() with { Layers = [new LayerRule("/fc") { Skip = true }] }, s_outline));

    private static readonly JobSummary s_summary = new()
    {
        Layers =
        [
            new LayerSummary { Index = 0, Loss = 3, ZeroLoss = 12, ZeroWeights = 25, Weights = 100, Seconds = 1.5, Rescues = [new Rescue(null, "damping-raised", "1e-3")] },
            new LayerSummary { Index = 1, Failure = "'/conv2': it broke" },
        ],
        Baseline = new MetricFold(90, 100),
        Compressed = new MetricFold(89, 100),
        LatencyBeforeMs = 2,
        LatencyAfterMs = 1.5,
        ModelBytes = 1_000,
        Checks = [new LayerCheck("/conv1", 0.01, 0.99)],
        Computed = 20,
        Reused = 5,
    };

    private static readonly ReportFacts s_facts = new(JobStatus.Failed, "why", SampleJobs.Digest('7'), 12, 1 << 20);

    [Fact]
    public void Totals_metrics_and_sizes_are_those_of_the_fold()
    {
        var report = JobReportBuilder.Build(s_plan, s_outline, s_summary, s_facts);

        Assert.Equal((ReportStatus.Failed, "why"), (report.Status, report.Reason));
        Assert.Equal(new UnitsReport(25, 20, 5), report.Units);
        Assert.Equal((new MetricReport(90, "top1"), new MetricReport(89, "top1")), (report.Baseline, report.Compressed));
        Assert.Equal((new BeforeAfter<long?>(4_000, 1_000), new BeforeAfter<double?>(2, 1.5)), (report.Size, report.Latency));
        Assert.Equal([new Rescue("/conv1", "damping-raised", "1e-3")], report.Rescues);
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void Groups_that_were_reconstructed_are_told_phase_by_phase_and_layers_by_their_methods(bool isWhole)
    {
        var plan = SampleJobs.Plan(new ExactObsStep(0.5), new ReconstructStep("brecq", 4) { Granularity = Granularity.Block, Iterations = 100, ActivationBits = 4 });
        var groups = plan.Reconstruction!.Groups.SelectMany(g => new[] { Summary(g, ReconstructionPhase.Weights, "brecq"), Summary(g, ReconstructionPhase.Activations, null) });
        var summary = s_summary with
        {
            Layers = [.. plan.Layers.Select(l => new LayerSummary { Index = l.Index, Weights = 100, ZeroWeights = 50 })],
            Groups = [.. groups.SkipLast(isWhole ? 0 : 1)],
            Activations = isWhole ? [new("relu1", 8, 1, 2, 0, ["/conv2", "/fc"]), new("relu2", 4, 1, 1, 0, ["/conv2"])] : [],
        };

        var report = JobReportBuilder.Build(plan, SampleJobs.ThreeLayers(), summary, s_facts);

        Assert.Equal(["exact-obs+rtn", "exact-obs+brecq", "exact-obs+obq"], report.Layers.Select(l => l.Method));
        Assert.Equal([8.0, 4.0, 8.0], report.Layers.Select(l => l.Bits));
        Assert.Equal(isWhole ? [32, 8, 8] : [32, 32, 32], report.Layers.Select(l => l.ActivationBits));
        Assert.Equal(summary.Activations, report.Activations);
        Assert.Equal(isWhole ? [] : ["activations-in-float"], report.Rescues.Select(r => r.Kind));
        Assert.Null(JobReportBuilder.Build(s_plan, s_outline, s_summary, s_facts).Activations);
        var first = report.Reconstruction![0];
        Assert.Equal(("b1", ReconstructionPhase.Weights, 0.25, "it exploded"), (first.Name, first.Phase, first.Flipped, first.Reason));
        Assert.Equal(["/conv2", "/fc"], first.Layers);
        Assert.All(report.Reconstruction.Skip(1), g => Assert.Null(g.Flipped));
        Assert.Null(JobReportBuilder.Build(s_plan, s_outline, s_summary, s_facts).Reconstruction);

        static GroupSummary Summary(GroupPlan group, ReconstructionPhase phase, string? method) => new(group, new UnitMetrics
        {
            Reconstruction = new ReconstructionMetrics
            {
                Phase = phase, NearestLoss = 2, Loss = 1, Iterations = 100, Rate = 1e-3, Curve = [new CurvePoint(100, 1, 0)], Reason = method is null ? null : "it exploded",
                Layers = [.. group.Layers.Select(l => new ReconstructedLayerMetrics(l, l == 2 && method is not null ? "obq" : method, 100, 50, method is null ? null : l == 2 ? 0.5 : 0, method is null ? null : 1))],
            },
        });
    }

    [Fact]
    public void Every_layer_says_what_became_of_it_and_why()
    {
        var layers = JobReportBuilder.Build(s_plan, s_outline, s_summary, s_facts).Layers;

        Assert.Equal(
            [
                ("/conv1", "compressed", null, "exact-obs+obq"), ("/conv2", "failed", "'/conv2': it broke", null),
                ("/fc", "skipped", "the rule '/fc' skips it", null), ("/lstm", "unsupported", "recurrent layers are left alone", null),
            ],
            layers.Select(l => (l.Name, l.Status, l.Reason, l.Method)));
        Assert.Equal((4.0, 0.25, 3.0, 0.25, 1.5), (layers[0].Bits, layers[0].Sparsity, layers[0].Loss!.Value, layers[0].RelativeLoss!.Value, layers[0].Seconds));
        Assert.Equal((0.01, 0.99), (layers[0].OutputError!.Value, layers[0].OutputCosine!.Value));
    }

    [Fact]
    public void Without_a_written_model_no_layer_is_called_compressed()
    {
        var report = JobReportBuilder.Build(s_plan, s_outline, s_summary with { ModelBytes = null }, s_facts with { Status = JobStatus.Interrupted });

        Assert.Equal(ReportStatus.Cancelled, report.Status);
        Assert.DoesNotContain(report.Layers, l => l.Status == "compressed");
    }

    [Theory]
    [InlineData(true)]
    [InlineData(false)]
    public void No_layer_is_anything_but_compressed_without_a_reason(bool written)
    {
        // A layer that never began, one that failed, one skipped, one unsupported, one whose step does not apply.
        var outline = SampleJobs.Outline(
            SampleJobs.Layer("/conv1"), SampleJobs.Layer("/conv2"), SampleJobs.Layer("/never"), SampleJobs.Layer("/skipped"), SampleJobs.Layer("/narrow", columns: 9)) with
        {
            Unsupported = s_outline.Unsupported,
        };
        var recipe = SampleJobs.Recipe(new NmStep(2, 4)) with { Layers = [new LayerRule("/skipped") { Skip = true }] };

        var layers = JobReportBuilder.Build(Planner.Plan(SampleJobs.Request(recipe, outline)), outline, s_summary with { ModelBytes = written ? 1_000 : null }, s_facts).Layers;

        Assert.Equal(6, layers.Count);
        Assert.Equal(written ? 1 : 0, layers.Count(l => l.Status == "compressed"));
        Assert.All(layers.Where(l => l.Status != "compressed"), l => Assert.False(string.IsNullOrWhiteSpace(l.Reason), l.Name));
    }

    [Fact]
    public void What_was_not_measured_and_what_happened_on_the_way_is_told()
    {
        var facts = s_facts with { Incidents = [new Rescue(null, "retry", "attempt 1 of 5 failed")] };

        var report = JobReportBuilder.Build(s_plan, s_outline, s_summary with { LatencyAfterMs = null, Compressed = null }, facts);

        Assert.Equal(["damping-raised", "retry", "latency-not-measured", "metric-not-measured"], report.Rescues.Select(r => r.Kind));
    }

    [Theory]
    [InlineData("top1", 50.0)]
    [InlineData("top5", 50.0)]
    [InlineData("nll", 0.5)]
    [InlineData("cosine", 0.5)]
    public void Shares_are_percent_and_means_are_means(string metric, double expected) =>
        Assert.Equal(expected, new MetricFold(3, 6).Value(metric));
}
