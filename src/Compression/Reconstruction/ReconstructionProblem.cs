using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>A group to reconstruct.</summary>
/// <param name="Model">Prepared and in float; not changed.</param>
/// <param name="Layers">In plan order. Where step sizes alone are tuned their weights are quantized already.</param>
/// <param name="Seed">Of minibatches and masks.</param>
/// <param name="RateFactor">What the rates are multiplied with: 1, or less after an explosion.</param>
/// <param name="LossBatch">Samples a run where the loss on all of them is taken.</param>
public sealed record ReconstructionProblem(
    OnnxModel Model, IReadOnlyList<LayerToRound> Layers, ReconstructionParameters Parameters, ulong Seed, double RateFactor, int LossBatch)
{
    public ReconstructionPhase Phase { get; init; } = ReconstructionPhase.Weights;

    /// <summary>Whether the source has what enters in the float model, too, so that elements of it may be mixed in where some are dropped.</summary>
    public bool HasFloatInputs { get; init; }

    /// <summary>The values that the group computes and that are quantized, on the grids that the tuning begins with.</summary>
    public IReadOnlyList<ActivationGrid> Activations { get; init; } = [];
}

/// <param name="Weights">[rows × columns], as <c>LayerMatrix</c> has them.</param>
/// <param name="KeepsZeros">Whether zeros are a mask to keep.</param>
public sealed record LayerToRound(string Name, float[] Weights, int Rows, int Columns, int Bits, bool KeepsZeros);

/// <summary>What a reconstruction came to.</summary>
/// <param name="Explosion">What the loss did; null where the tuning went to its end. Then there are no layers, and step sizes are as they were.</param>
/// <param name="Reason">Why what was tuned was not kept; null where it was.</param>
/// <param name="NearestLoss">On all samples, with nearest codes and the step sizes that the tuning began with.</param>
/// <param name="Loss">The same with what was kept.</param>
public sealed record ReconstructionResult(
    string? Explosion, string? Reason, double NearestLoss, double Loss, IReadOnlyList<CurvePoint> Curve, IReadOnlyList<RoundedLayer> Layers)
{
    /// <summary>Steps of the optimiser; 0 where there was nothing to tune.</summary>
    public required int Iterations { get; init; }

    /// <summary>What is left of <see cref="ReconstructionProblem.Activations"/>: with learned step sizes where they were kept.</summary>
    public IReadOnlyList<ActivationGrid> Activations { get; init; } = [];
}

/// <param name="Codes">[rows × columns].</param>
/// <param name="Grids">One a row.</param>
/// <param name="Flipped">Share of the weights whose code is not the nearest.</param>
/// <param name="Converged">Share of the roundings that were decided.</param>
public sealed record RoundedLayer(string Name, int[] Codes, IReadOnlyList<RowGrid<float>> Grids, double Flipped, double Converged);
