using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx.Partition;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>Finds the grids that the step sizes of activations are tuned from.</summary>
internal static class StepSizesUnit
{
    public static async Task<UnitMetrics> RunAsync(StepSizesSpec spec, UnitInputs inputs, IUnitContext context, PreparedModels models, ModelRuntime runtime)
    {
        var model = await ReconstructUnits.QuantizedAsync(spec.Prefix, spec.BatchNorm, inputs, models);
        using var data = DataFile.FromMemory(await inputs.BytesAsync(Roles.Data), ReconstructUnits.DataName);
        var places = ActivationPlaces.Of(model, ModelPartition.Of(model), spec.Activations);
        var grids = InitialGrids.Fit(
            runtime, model, places, data, spec.Preprocess, new SampleWindow(0, spec.Samples, spec.Batch), context.Report, inputs.CancellationToken);
        await context.WriteAsync(Roles.StepSizes, ActivationGrids.ToBytes(grids), inputs.CancellationToken);
        return new UnitMetrics();
    }
}
