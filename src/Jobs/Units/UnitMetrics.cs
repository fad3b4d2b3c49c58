using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Units;

/// <summary>Numbers a unit reports beside its blobs. They go into the commit record; members that do not apply are null.</summary>
public sealed record UnitMetrics
{
    /// <summary>½·Σ rows (ΔW·H·ΔWᵀ) on the undamped Hessian against the layer's original weights.</summary>
    public double? Loss { get; init; }

    /// <summary>The same for all-zero weights.</summary>
    public double? ZeroLoss { get; init; }

    /// <summary>Zeros among the unit's weights.</summary>
    public long? ZeroWeights { get; init; }

    public long? Weights { get; init; }

    /// <summary>Sum of the metric over samples (for top1: correct ones).</summary>
    public double? MetricSum { get; init; }

    /// <summary>What <see cref="MetricSum"/> is divided by.</summary>
    public long? MetricCount { get; init; }

    /// <summary>Median latency of one sample in milliseconds.</summary>
    public double? LatencyMs { get; init; }

    /// <summary>Bytes of the written model, external data included.</summary>
    public long? ModelBytes { get; init; }

    public IReadOnlyList<LayerCheck>? Checks { get; init; }
    public IReadOnlyList<Rescue>? Rescues { get; init; }
    public IReadOnlyList<SiteCorrection>? Corrections { get; init; }

    public ReconstructionMetrics? Reconstruction { get; init; }

    /// <summary>Activations that the written model quantizes.</summary>
    public IReadOnlyList<QuantizedActivation>? Activations { get; init; }

    /// <summary>Computation time of the attempt in seconds.</summary>
    public double Seconds { get; init; }
}

/// <summary>A deviation from what was asked for, made so that the job could go on. Never silent.</summary>
/// <param name="Layer">The layer's name, or null for the whole model.</param>
/// <param name="Kind">For example <c>damping-raised</c>, <c>dead-columns</c>, <c>double-precision</c>, <c>wider-codes</c>.</param>
public sealed record Rescue(string? Layer, string Kind, string Detail);

/// <summary>What a correction did to one node.</summary>
/// <param name="Shift">Root mean square over channels of the change of the mean, in standard deviations of the float model.</param>
/// <param name="Scale">Geometric mean over channels of the compressed model's standard deviation over the float model's; 1 where only the mean is corrected.</param>
public sealed record SiteCorrection(Correction Kind, string Node, double Shift, double Scale);

/// <summary>An activation that a written model quantizes.</summary>
/// <param name="Value">Its name in the model.</param>
/// <param name="FirstStep">The step size that the tuning began with.</param>
/// <param name="Step">The step size that it has.</param>
/// <param name="Zero">The code of 0.</param>
/// <param name="Layers">Names of the layers that it feeds, moved or averaged on the way or not.</param>
public sealed record QuantizedActivation(string Value, int Bits, float FirstStep, float Step, int Zero, IReadOnlyList<string> Layers);

/// <summary>One layer's output in the compressed model against the float model.</summary>
public sealed record LayerCheck(string Layer, double RelativeError, double Cosine);
