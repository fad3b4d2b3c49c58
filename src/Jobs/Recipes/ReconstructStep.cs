namespace Orchestrator.Jobs.Recipes;

/// <summary>What is reconstructed together (algorithms.md 3.3).</summary>
public enum Granularity
{
    /// <summary>Each layer by itself: AdaRound.</summary>
    Layer = 1,

    /// <summary>Residual units, and chains of at most three layers between them.</summary>
    Block = 2,

    /// <summary>All blocks of one resolution.</summary>
    Stage = 3,

    /// <summary>The whole network; overfits, for comparison.</summary>
    Net = 4,
}

/// <summary>What a group is fed with while it is reconstructed.</summary>
public enum ReconstructionInputs
{
    /// <summary>What the quantized groups before it give: one after the other.</summary>
    Quantized = 1,

    /// <summary>What the float model gives: all groups at once.</summary>
    Unquantized = 2,
}

public enum ReconstructionLoss
{
    Mse = 1,

    /// <summary>Each element weighted with the squared gradient of the task's loss there (algorithms.md 3.6).</summary>
    Fisher = 2,

    /// <summary>As the original code has it, where the weights are nearly constant.</summary>
    FisherOriginal = 3,
}

/// <summary>When the step sizes of activations are learned.</summary>
public enum ActivationTuning
{
    /// <summary>After all weights.</summary>
    TwoPhase = 1,

    /// <summary>Together with the group's weights.</summary>
    Joint = 2,
}

/// <summary>AdaRound and BRECQ (algorithms.md 2 and 3). Defaults are those of the reference.</summary>
/// <param name="Name">The method's name in the recipe.</param>
public sealed record ReconstructStep(string Name, int Bits) : CompressStep
{
    public const int FloatBits = 32;

    public GridKind Grid { get; init; } = GridKind.Mse;
    public QuantizationScheme Scheme { get; init; }

    /// <summary>32 leaves activations in float.</summary>
    public int ActivationBits { get; init; } = FloatBits;

    public required Granularity Granularity { get; init; }

    /// <summary>Steps of the optimiser a group.</summary>
    public required int Iterations { get; init; }

    public ReconstructionInputs Inputs { get; init; } = ReconstructionInputs.Quantized;
    public ReconstructionLoss Loss { get; init; } = ReconstructionLoss.Mse;

    /// <summary>Samples of a step.</summary>
    public int Batch { get; init; } = 32;

    /// <summary>Adam's rate for the rounding of weights.</summary>
    public double Rate { get; init; } = 1e-3;

    /// <summary>Weight of the penalty on undecided roundings.</summary>
    public double Lambda { get; init; } = 0.01;

    /// <summary>Exponent of the penalty: where it begins after the warm-up.</summary>
    public double FirstBeta { get; init; } = 20;

    /// <summary>And where it ends.</summary>
    public double LastBeta { get; init; } = 2;

    /// <summary>Share of the iterations without penalty.</summary>
    public double Warmup { get; init; } = 0.2;

    public ActivationTuning Activations { get; init; } = ActivationTuning.TwoPhase;

    /// <summary>Steps of the second phase a group.</summary>
    public int ActivationIterations { get; init; } = 5_000;

    /// <summary>Adam's rate for step sizes of activations.</summary>
    public double ActivationRate { get; init; } = 4e-5;

    /// <summary>Chance that an element of an activation stays in float while weights are tuned (QDrop); with joint tuning only. Null quantizes all of them.</summary>
    public double? Drop { get; init; }

    public override string Method => Name;
    public override bool Quantizes => true;
}
