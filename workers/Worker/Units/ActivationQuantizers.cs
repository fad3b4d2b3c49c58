using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Worker.Units;

/// <summary>Grids of activations on their way into the written model.</summary>
internal sealed class ActivationQuantizers
{
    private readonly IReadOnlyList<ActivationGrid> _grids;

    private ActivationQuantizers(IReadOnlyList<ActivationGrid> grids, IReadOnlyList<QuantizedActivation> told) => (_grids, Told) = (grids, told);

    /// <summary>What the report says of them.</summary>
    public IReadOnlyList<QuantizedActivation> Told { get; }

    /// <param name="model">Prepared, its layers still in float.</param>
    /// <exception cref="InvalidDataException">The step sizes are damaged.</exception>
    public static async Task<ActivationQuantizers> ReadAsync(OnnxModel model, ModelPartition partition, UnitInputs inputs)
    {
        var initial = ActivationGrids.Open((await inputs.BytesAsync(inputs.All(Roles.StepSizes).First())).Span).ToDictionary(grid => grid.Value);
        var grids = await ReconstructUnits.GridsAsync(inputs);
        var layers = ActivationPlaces.LayersBehind(model, partition, grids.Select(grid => grid.Value));
        return new ActivationQuantizers(grids, [.. grids.Select(grid => new QuantizedActivation(
            grid.Value, grid.Bits, initial.GetValueOrDefault(grid.Value, grid).Scale, grid.Scale, grid.Zero, [.. layers[grid.Value]]))]);
    }

    public void Apply(OnnxModel model)
    {
        foreach (var grid in _grids)
            QuantizedActivations.Apply(model, grid.Value, grid.Scale, grid.Zero, grid.Bits);
        model.Graph.Sort();
    }
}
