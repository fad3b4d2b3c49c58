using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Reports;

/// <summary>What a report says beyond plan, outline and commits.</summary>
/// <param name="ModelSha256">Hex digest of the written model; null where there is none.</param>
/// <param name="Seconds">Wall-clock time of this run.</param>
/// <param name="PeakMemoryBytes">Peak of this process; null where several ran the job.</param>
public sealed record ReportFacts(JobStatus Status, string? Reason, string? ModelSha256, double Seconds, long? PeakMemoryBytes)
{
    public EstimateReport? Estimate { get; init; }

    /// <summary>Retries and renewed blobs of this run.</summary>
    public IReadOnlyList<Rescue> Incidents { get; init; } = [];
}

/// <summary>(plan, outline, fold of the commits, facts of the run) → report. Pure.</summary>
public static class JobReportBuilder
{
    private const double FloatBits = 32;
    private const int FloatActivations = 32;

    public static JobReport Build(JobPlan plan, ModelOutline outline, JobSummary summary, ReportFacts facts)
    {
        var metric = plan.Settings.Metric;
        var solved = summary.Layers.ToDictionary(l => l.Index);
        var activations = summary.Activations.SelectMany(a => a.Layers, (a, layer) => (Layer: layer, a.Bits)).GroupBy(a => a.Layer).ToDictionary(g => g.Key, g => g.Max(a => a.Bits));
        var tuned = summary.Groups.SelectMany(g => g.Metrics.Reconstruction!.Layers).Where(l => l.Method is not null).GroupBy(l => l.Index).ToDictionary(g => g.Key, g => g.First());
        var checks = summary.Checks.GroupBy(c => c.Layer).ToDictionary(g => g.Key, g => g.First());
        return new JobReport
        {
            Status = StatusOf(facts.Status),
            Reason = facts.Reason,
            Job = plan.ComputeJobId(),
            Baseline = new MetricReport(metric is null ? null : summary.Baseline?.Value(metric), metric),
            Compressed = new MetricReport(metric is null ? null : summary.Compressed?.Value(metric), metric),
            Size = new BeforeAfter<long?>(outline.Bytes, summary.ModelBytes),
            Latency = new BeforeAfter<double?>(summary.LatencyBeforeMs, summary.LatencyAfterMs),
            Units = new UnitsReport(summary.Computed + summary.Reused, summary.Computed, summary.Reused),
            Seconds = facts.Seconds,
            PeakMemoryBytes = facts.PeakMemoryBytes,
            Rescues = [.. summary.Layers.SelectMany(l => l.Rescues.Select(r => r with { Layer = r.Layer ?? plan.Layers[l.Index].Name })).Concat(summary.Rescues).Concat(facts.Incidents).Concat(NotMeasured(plan, summary)).Concat(NotQuantized(plan, summary)).Distinct()],
            Layers =
            [
                .. plan.Layers.Select(l => Tuned(Layer(l, solved.GetValueOrDefault(l.Index), checks.GetValueOrDefault(l.Name), summary.ModelBytes is not null), tuned.GetValueOrDefault(l.Index), activations.GetValueOrDefault(l.Name, FloatActivations))),
                .. outline.Unsupported.Select(Unsupported),
            ],
            Corrections = summary.Corrections,
            Reconstruction = plan.Reconstruction is null ? null : [.. summary.Groups.Select(g => GroupReport.Of(plan, g))],
            Activations = plan.Reconstruction?.Activations is null ? null : summary.Activations,
            Profile = plan.Settings.Profile,
            Estimate = facts.Estimate,
            ModelSha256 = facts.ModelSha256,
        };
    }

    private static LayerReport Layer(LayerPlan plan, LayerSummary? summary, LayerCheck? check, bool written)
    {
        var isSolved = summary is { Failure: null };
        var report = new LayerReport
        {
            Name = plan.Name,
            OpType = plan.OpType,
            Block = plan.Block,
            Rows = plan.Shape.Rows,
            Columns = plan.Shape.Columns,
            Bits = FloatBits,
            Status = plan.IsLeftAlone ? "skipped" : "failed",
            Reason = plan.Reason ?? (plan.IsLeftAlone ? "no step of the recipe applies to it" : null),
            Seconds = summary?.Seconds ?? 0,
        };
        if (plan.IsLeftAlone)
            return report;
        if (!isSolved)
            return report with { Reason = summary?.Failure ?? "the job ended before the layer was solved" };
        return report with
        {
            Method = plan.Steps.Count == 0 ? null : string.Join('+', plan.Steps.Select(s => s.Step.Method)),
            Bits = plan.StoredBits() ?? FloatBits,
            Sparsity = summary!.Weights == 0 ? 0 : (double)summary.ZeroWeights / summary.Weights,
            KeptZeros = plan.KeptZeros,
            Trace = plan.Steps.FirstOrDefault(s => s.Step.Select is not null) is { } traced ? (traced.KeepsRows ? "rows" : "order") : null,
            Loss = summary.Loss,
            RelativeLoss = summary is { Loss: { } loss, ZeroLoss: > 0 and var zero } ? loss / zero : null,
            Status = !written ? "failed" : plan.SampleRows is null ? "compressed" : "sample",
            Reason = written ? Reason(plan) : "the layer was solved, but no model was written",
            OutputError = check?.RelativeError,
            OutputCosine = check?.Cosine,
        };
    }

    /// <summary>What the reconstruction made of a layer.</summary>
    private static LayerReport Tuned(LayerReport report, ReconstructedLayerMetrics? tuned, int activationBits)
    {
        if (report.Status is not ("compressed" or "sample"))
            return report;
        report = report with { ActivationBits = activationBits };
        return tuned is null ? report : report with { Method = report.Method is null ? tuned.Method : $"{report.Method}+{tuned.Method}" };
    }

    /// <summary>Why the written layer is not all that the recipe says.</summary>
    private static string? Reason(LayerPlan plan)
    {
        if (plan.SampleRows is not { } rows)
            return plan.Reason;
        var stored = plan.Steps[^1].Step.Bits is { } bits ? $"; stored in float, since the others have no {bits}-bit codes" : "";
        var sample = $"a sample: only the first {rows} of {plan.Shape.Rows} rows were solved, and the figures are theirs; the others are as they were{stored}";
        return plan.Reason is null ? sample : $"{sample}; {plan.Reason}";
    }

    /// <summary>What a written model's report should say and cannot.</summary>
    private static IEnumerable<Rescue> NotMeasured(JobPlan plan, JobSummary summary)
    {
        if (summary.ModelBytes is null)
            yield break;
        if (!plan.Settings.FitsMemory())
            yield return new Rescue(null, "latency-not-measured", $"the model's weights take {plan.Settings.ExternalBytes()} bytes; above {Planner.WholeModelBytes} a model is not run as a whole");
        else if (summary.LatencyBeforeMs is null || summary.LatencyAfterMs is null)
            yield return new Rescue(null, "latency-not-measured", "the job ended before the latency was measured, or measuring it failed");
        if (plan.Settings.Metric is { } metric && (summary.Baseline is null || summary.Compressed is null))
            yield return new Rescue(null, "metric-not-measured", $"the job ended before '{metric}' was measured, or measuring it failed");
    }

    /// <summary>That activations are in float although the recipe says otherwise.</summary>
    private static IEnumerable<Rescue> NotQuantized(JobPlan plan, JobSummary summary)
    {
        if (summary.ModelBytes is not null && plan.Reconstruction?.Activations is { Bits: var bits } && summary.Activations.Count == 0)
            yield return new Rescue(null, "activations-in-float", $"the job ended before all groups had step sizes of {bits} bits, so the model computes in float");
    }

    private static LayerReport Unsupported(UnsupportedNode node) => new()
    {
        Name = node.Name,
        OpType = node.OpType,
        Block = "",
        Rows = 0,
        Columns = 0,
        Bits = FloatBits,
        Status = "unsupported",
        Reason = node.Reason,
    };

    private static ReportStatus StatusOf(JobStatus status) => status switch
    {
        JobStatus.Succeeded => ReportStatus.Succeeded,
        JobStatus.GoalMissed => ReportStatus.GoalMissed,
        JobStatus.Cancelled or JobStatus.Interrupted => ReportStatus.Cancelled,
        _ => ReportStatus.Failed,
    };
}
