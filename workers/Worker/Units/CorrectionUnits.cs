using Orchestrator.Compression.Corrections;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Units that measure outputs channel by channel and find what to correct.</summary>
internal static class CorrectionUnits
{
    private const string DataName = "calibration data";

    public static async Task<UnitMetrics> MomentsAsync(MomentsSpec spec, UnitInputs inputs, IUnitContext context, PreparedModels models, ModelRuntime runtime)
    {
        var model = inputs.Has(Roles.Draft)
            ? await inputs.ModelAsync(inputs.Single(Roles.Draft))
            : await models.GetAsync(inputs.Single(Roles.Model), spec.BatchNorm, inputs);
        await ApplyAsync(model, spec.Applied, inputs);
        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), DataName);
        var graph = spec.Kind == Correction.BatchNorm ? MomentsGraph.OfTraining(model, spec.Sites) : MomentsGraph.OfOutputs(model, spec.Sites);
        var window = new SampleWindow(spec.First, spec.Count, spec.Batch);
        var moments = MomentsRun.Run(runtime, graph, spec.Sites, data, spec.Preprocess, window, context.Report, inputs.CancellationToken);
        await context.WriteValuesAsync(Roles.Moments, moments, inputs.CancellationToken);
        return new UnitMetrics();
    }

    public static async Task<UnitMetrics> CorrectAsync(CorrectionSpec spec, UnitInputs inputs, IUnitContext context)
    {
        var moments = await inputs.ValuesAsync<double>(Roles.Moments);
        CorrectionResult result;
        if (spec.Kind == Correction.BatchNorm)
        {
            var draft = await inputs.ModelAsync(inputs.Single(Roles.Draft));
            result = ChannelCorrections.BatchNorms(draft, spec.Sites, moments, spec.Updates ?? throw new InvalidOperationException("The unit does not say how many updates to make."));
        }
        else
        {
            var reference = await inputs.ValuesAsync<double>(Roles.Reference);
            result = spec.Kind == Correction.Bias
                ? ChannelCorrections.Bias(spec.Sites, moments, spec.ReferenceSites, reference)
                : ChannelCorrections.MeanVariance(spec.Sites, moments, spec.ReferenceSites, reference);
        }

        await context.WriteValuesAsync(Roles.Corrections, result.Values, inputs.CancellationToken);
        return new UnitMetrics { Corrections = result.Sites, Rescues = result.Rescues };
    }

    /// <summary>Puts the unit's corrections blobs into a model, one behind the other.</summary>
    public static async Task ApplyAsync(OnnxModel model, IReadOnlyList<AppliedCorrection> applied, UnitInputs inputs)
    {
        var values = await inputs.ValuesAsync<double>(Roles.Corrections);
        var next = 0;
        foreach (var correction in applied)
        {
            var length = correction.Sites.Sum(site => 2 * site.Channels);
            CorrectedModel.Apply(model, correction, values.AsSpan(next, length));
            next += length;
        }
    }
}
