using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Units;

/// <summary>What is tuned.</summary>
public enum ReconstructionPhase
{
    /// <summary>The rounding of weights; activations are float.</summary>
    Weights = 1,

    /// <summary>Step sizes of activations; weights are quantized already.</summary>
    Activations = 2,

    /// <summary>Both.</summary>
    Joint = 3,
}

/// <summary>Layers that are reconstructed together.</summary>
/// <param name="Name">For people; equal groups of other plans may be called otherwise, but layers' names are part of them anyway.</param>
public sealed record GroupSpec(string Name, IReadOnlyList<GroupLayer> Layers);

/// <param name="Bits">Of its codes.</param>
/// <param name="StartsPruned">Zeros of its incoming weights are a mask to keep.</param>
/// <param name="IsGiven">An earlier step changed its weights: a <c>weights/{layer index}</c> blob has them. Otherwise they are the model's.</param>
public sealed record GroupLayer(LayerRef Layer, int Bits, bool StartsPruned, bool IsGiven);

/// <summary>How activations are quantized.</summary>
/// <param name="Eight">Layers that are quantized to 8 bits whatever the others are: the first one's output and the last one's input are, too. Empty for none.</param>
public sealed record ActivationSpec(int Bits, IReadOnlyList<LayerRef> Eight);

/// <summary>
/// A shard of calibration samples through the float model and through the model whose earlier groups are quantized, and what enters and leaves
/// a group there. Inputs: model, data, then what the layers of <paramref name="Prefix"/> became, <c>weights/{layer index}</c> blobs or codes, scales
/// and zeros, then step-sizes blobs, as <see cref="Steps"/> says: the initial one and those of earlier groups. Output: activations.
/// </summary>
/// <param name="Prefix">Layers that are quantized by now, in plan order; empty where the group is fed by the float model.</param>
/// <param name="First">First sample.</param>
/// <param name="Count">Samples in this shard.</param>
/// <param name="Batch">Samples per run of the graph.</param>
/// <param name="Loss">
/// Whether gradients of the task's loss are captured, too. Then the group's own layers whose weights are not the model's are inputs as those of the prefix are.
/// </param>
public sealed record CaptureSpec(
    GroupSpec Group, IReadOnlyList<LayerRef> Prefix, int First, int Count, int Batch, ReconstructionLoss Loss, BatchNormMode BatchNorm, Preprocess Preprocess) : UnitSpec
{
    public override int MethodVersion => 1;

    /// <summary>How the activations of the prefix are quantized; null where they are float.</summary>
    public ActivationSpec? Activations { get; init; }

    /// <summary>Of the nearest codes that the group's own weights have while gradients are captured; null where there are none, or the weights are codes already.</summary>
    public GridKind? Grid { get; init; }

    /// <summary>Beside <see cref="Grid"/>.</summary>
    public QuantizationScheme? Scheme { get; init; }

    /// <summary>Whether what enters in the float model is captured, too, so that elements of it can be mixed in (QDrop); null means no.</summary>
    public bool? Floats { get; init; }

    /// <summary>How many step-sizes blobs there are; null for none.</summary>
    public int? Steps { get; init; }
}

/// <summary>
/// The grids that the step sizes of the whole network are tuned from (algorithms.md 0.3 and 3.5), on the first calibration samples. Inputs: model, data, then
/// what the layers of <paramref name="Prefix"/> are by now, as for <see cref="CaptureSpec"/>. Output: step-sizes.
/// </summary>
/// <param name="Prefix">Layers whose weights are not the model's, in plan order.</param>
/// <param name="Samples">From the first one on.</param>
/// <param name="Batch">Samples per run of a graph.</param>
public sealed record StepSizesSpec(IReadOnlyList<LayerRef> Prefix, ActivationSpec Activations, int Samples, int Batch, BatchNormMode BatchNorm, Preprocess Preprocess) : UnitSpec
{
    public override int MethodVersion => 1;
}

/// <summary>
/// A group through gradient steps (algorithms.md 2 and 3). Inputs: model, data (for the fallback), activations blobs in shard order, then a
/// <c>weights/{layer index}</c> blob of each layer whose weights are not the model's, and the initial step-sizes blob where activations are tuned. Outputs: weights, codes, scales and zeros of each layer
/// (<c>{role}/{layer index}</c>) where weights are tuned, and step-sizes, of what the group computes, where activations are.
/// </summary>
/// <param name="Samples">All calibration samples.</param>
/// <param name="Batch">Samples per run of a graph over all of them.</param>
public sealed record ReconstructSpec(GroupSpec Group, ReconstructionPhase Phase, ReconstructionParameters Parameters, int Samples, int Batch, BatchNormMode BatchNorm, Preprocess Preprocess) : UnitSpec
{
    public override int MethodVersion => 4;

    /// <summary>How activations are quantized; null where they are float.</summary>
    public ActivationSpec? Activations { get; init; }
}

/// <summary>Every parameter written out; members that do not apply to the phase are null, so that they take no part in its key.</summary>
public sealed record ReconstructionParameters
{
    public required int Iterations { get; init; }
    public required int Batch { get; init; }
    public required double Rate { get; init; }
    public required long Seed { get; init; }

    /// <summary>Of the grid, and of OBQ where that has to step in.</summary>
    public GridKind? Grid { get; init; }

    public QuantizationScheme? Scheme { get; init; }
    public double? Damping { get; init; }
    public double? Lambda { get; init; }
    public double? FirstBeta { get; init; }
    public double? LastBeta { get; init; }
    public double? Warmup { get; init; }

    /// <summary>Of step sizes, where they are tuned beside weights.</summary>
    public double? ActivationRate { get; init; }

    public double? Drop { get; init; }
    public required ReconstructionLoss Loss { get; init; }
}
