using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>Which corrections a recipe asks for, where they apply and on how many samples.</summary>
internal static class CorrectionPlanner
{
    /// <summary>Samples of a batch whose statistics batch norms normalize with, as in the original (algorithms.md 5.10).</summary>
    private const int TuningBatch = 128;

    /// <summary>Updates of the running statistics, as in the original.</summary>
    public const int TuningUpdates = 100;

    /// <summary>Most samples that means and variances are taken from, as in the original.</summary>
    private const int MeasuredSamples = 1_024;

    private const int ShardSamples = 256;

    /// <exception cref="InputException">A correction finds nothing to correct.</exception>
    public static IReadOnlyList<CorrectionPlan> Plan(Recipe recipe, ModelOutline outline, IReadOnlyList<LayerPlan> layers, SampleShards calibration, int? fixedBatch)
    {
        var kinds = recipe.BatchNorm == BatchNormMode.Retune ? recipe.Correct.Append(Correction.BatchNorm) : recipe.Correct;
        return [.. kinds.Order().Select(kind => Plan(kind, outline, layers, calibration, fixedBatch))];
    }

    private static CorrectionPlan Plan(Correction kind, ModelOutline outline, IReadOnlyList<LayerPlan> layers, SampleShards calibration, int? fixedBatch)
    {
        var compressed = layers.Where(l => !l.IsLeftAlone).Select(l => l.Name).ToHashSet();
        var sites = kind switch
        {
            Correction.Bias => outline.LayerOutputs.Where(s => compressed.Contains(s.Layer!)),
            Correction.BatchNorm => outline.Norms.Where(s => s.OpType == "BatchNormalization"),
            _ => outline.Norms,
        };
        if (!sites.Any())
            throw WithoutEffect(kind);
        var levels = kind == Correction.BatchNorm ? [[.. sites.Select(Ref)]] : Levels(sites);
        return new CorrectionPlan(kind, levels, kind == Correction.BatchNorm ? TuningShards(calibration.Samples, fixedBatch) : MeasuringShards(calibration, fixedBatch));
    }

    private static IReadOnlyList<SiteRef>[] Levels(IEnumerable<ChannelSite> sites) =>
        [.. sites.GroupBy(s => s.Depth).OrderBy(g => g.Key).Select(g => (IReadOnlyList<SiteRef>)[.. g.Select(Ref)])];

    private static SiteRef Ref(ChannelSite site) => new(site.Node, site.Axis, site.Channels);

    /// <summary>Whole batches only, since a small last one would count as much as the others; no more than there are updates.</summary>
    private static SampleShards TuningShards(int samples, int? fixedBatch)
    {
        var batch = fixedBatch ?? Math.Min(TuningBatch, samples);
        return SampleShards.Cut(Math.Min(samples / batch, TuningUpdates) * batch, ShardSamples, batch, fixedBatch);
    }

    private static SampleShards MeasuringShards(SampleShards calibration, int? fixedBatch)
    {
        var batch = fixedBatch ?? 1;
        var samples = Math.Min(calibration.Samples, Math.Max(MeasuredSamples / batch, 1) * batch);
        return SampleShards.Cut(samples, ShardSamples, calibration.Batch, fixedBatch);
    }

    private static InputException WithoutEffect(Correction kind) => kind switch
    {
        Correction.BatchNorm => new(
            "correction-without-effect", "batch_norm", "There is nothing to retune: the model has no batch norm with constant parameters (exporters often fold them).",
            "Use batch_norm: fold, and correct: [bias] to make up for shifted outputs."),
        Correction.MeanVariance => new(
            "correction-without-effect", "correct", "mean_variance corrects batch norms and LayerNormalizations, and the prepared model has none with constant parameters.",
            "Use batch_norm: keep or retune where the model has batch norms, or correct: [bias]."),
        _ => throw new InvalidOperationException("Every compressed layer has an output."),
    };
}
