using Orchestrator.Compression.Data;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Worker.Units;

/// <summary>Reconstruction as a unit sees it: what runs on activations that lie in files, leaves states and comes to codes.</summary>
internal interface IGroupTuner
{
    /// <summary>Runs the float model, and the one whose earlier layers are quantized, over some samples.</summary>
    /// <param name="write">Gets what a shard consists of, piece by piece.</param>
    /// <returns>Why there are no gradients where they are asked for: they are zeros then, and all elements count alike. Otherwise null.</returns>
    public Task<string?> CaptureAsync(CaptureRequest request, Func<ReadOnlyMemory<byte>, Task> write, Action<double> progress, CancellationToken cancellationToken);

    /// <summary>Tunes to the end, or until the loss is no number or explodes.</summary>
    /// <param name="from">The state to go on from; null begins.</param>
    /// <param name="leave">Gets a state every few hundred steps.</param>
    public TunedGroup Tune(TuningRequest request, ReadOnlyMemory<byte>? from, Action<ReadOnlyMemory<byte>> leave, Action<double> progress, CancellationToken cancellationToken);

    /// <summary>The loss on all samples with these weights.</summary>
    /// <param name="weights">Of each layer of the group, by index.</param>
    public double LossOf(TuningRequest request, IReadOnlyDictionary<int, float[]> weights, CancellationToken cancellationToken);
}

/// <param name="Model">Prepared and in float; not to be changed.</param>
/// <param name="Quantized">The same with what the layers of the prefix became; the tuner's own.</param>
/// <param name="Grids">Of the network's activations, as far as they are quantized by now: initial ones, and those that earlier groups tuned in their place.</param>
internal sealed record CaptureRequest(CaptureSpec Spec, OnnxModel Model, OnnxModel Quantized, IReadOnlyList<ActivationGrid> Grids, DataFile Data);

/// <param name="Model">Prepared and in float; not to be changed.</param>
/// <param name="Weights">Of each layer of the group, by index: what is to be quantized, or is already where activations alone are tuned.</param>
/// <param name="Seed">Of minibatches and masks.</param>
/// <param name="RateFactor">What the rates are multiplied with: 1, or less after an explosion.</param>
internal sealed record TuningRequest(
    ReconstructSpec Spec, OnnxModel Model, IReadOnlyDictionary<int, float[]> Weights, IReadOnlyList<ActivationShard> Shards, ulong Seed, double RateFactor)
{
    /// <summary>Where tuning begins: initial grids of the whole network's activations, the group's own among them; none where activations are float.</summary>
    public IReadOnlyList<ActivationGrid> Grids { get; init; } = [];
}

/// <summary>What tuning came to.</summary>
/// <param name="Explosion">What the loss did; null where the tuning went to its end. Then there are no layers.</param>
/// <param name="Reason">Why what was tuned was not kept; null where it was.</param>
/// <param name="Layers">Codes by layer index; empty where activations alone were tuned.</param>
/// <param name="StepSizes">Grids of the group's own activations (<see cref="ActivationGrids"/>), the initial ones where the loss exploded; null where they are float.</param>
internal sealed record TunedGroup(
    string? Explosion, string? Reason, double NearestLoss, double Loss, int Iterations, IReadOnlyList<CurvePoint> Curve, IReadOnlyDictionary<int, TunedLayer> Layers, byte[]? StepSizes)
{
    /// <summary>Whether there are gradients to tune with. Where not, <see cref="Explosion"/> says why, and no other rate helps.</summary>
    public bool IsTunable { get; init; } = true;
}

/// <param name="Flipped">Share of the weights whose code is not the nearest.</param>
/// <param name="Converged">Share of the roundings that were decided.</param>
internal sealed record TunedLayer(int[] Codes, float[] Scales, int[] Zeros, double? Flipped, double? Converged)
{
    public string? Method { get; init; }
}
