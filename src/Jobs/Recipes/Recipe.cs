namespace Orchestrator.Jobs.Recipes;

/// <summary>The user's document, parsed and checked, paths still as written (design.md section 8).</summary>
public sealed record Recipe
{
    public const int CurrentVersion = 1;

    public required string Model { get; init; }
    public required RecipeData Data { get; init; }
    public required IReadOnlyList<CompressStep> Compress { get; init; }
    public IReadOnlyList<LayerRule> Layers { get; init; } = [];
    public BatchNormMode BatchNorm { get; init; } = BatchNormMode.Fold;
    public ExistingZeros Zeros { get; init; }

    /// <summary>What is put right on the assembled model. A set: they are made in the order of <see cref="Correction"/>'s members.</summary>
    public IReadOnlyList<Correction> Correct { get; init; } = [];

    /// <summary>Bits of the first and the last layer; null leaves it to the method.</summary>
    public FirstLastBits? FirstLastBits { get; init; }

    public long Seed { get; init; }
    public string OutputFolder { get; init; } = "out";
}

public sealed record RecipeData
{
    public required CalibrationData Calibration { get; init; }
    public EvaluationData? Evaluation { get; init; }
    public Preprocess Preprocess { get; init; } = new();
}

/// <param name="Samples">The first N samples in file order; null means all.</param>
public sealed record CalibrationData(string File, int? Samples);

/// <param name="Metric"><c>top1</c>, <c>top5</c>, <c>nll</c>, <c>cosine</c> or <c>mse</c>.</param>
public sealed record EvaluationData(string File, string Metric);

/// <summary>(x·scale − mean) / std, mean and std per channel (second dimension); empty lists mean 0 and 1.</summary>
public sealed record Preprocess
{
    public double Scale { get; init; } = 1;
    public IReadOnlyList<double> Mean { get; init; } = [];
    public IReadOnlyList<double> Std { get; init; } = [];
}

public enum BatchNormMode
{
    /// <summary>Into the layers before them, before anything else.</summary>
    Fold,

    Keep,

    /// <summary>Kept while layers are solved; then their statistics are taken anew and they are folded.</summary>
    Retune,
}

/// <summary>What happens to zeros that the model's weights have already.</summary>
public enum ExistingZeros
{
    /// <summary>Kept in layers that have enough of them to have been pruned.</summary>
    Auto,

    Keep,

    /// <summary>Weights like any other.</summary>
    Free,
}

/// <summary>How the first and the last layer are quantized.</summary>
public enum FirstLastBits
{
    /// <summary>As the others.</summary>
    Same = 1,

    /// <summary>To 8 bits.</summary>
    Eight = 2,
}

/// <summary>Corrections of algorithms.md 5.10, in the order in which they are made.</summary>
public enum Correction
{
    /// <summary>The mean output error of each compressed layer goes into its bias.</summary>
    Bias = 1,

    /// <summary>Batch norms get the statistics of the compressed model; asked for by <see cref="BatchNormMode.Retune"/>.</summary>
    BatchNorm = 2,

    /// <summary>Outputs of normalizations get the float model's mean and variance by their affine parameters.</summary>
    MeanVariance = 3,
}

/// <summary>One entry of <c>compress</c>. A closed set: each method is one record.</summary>
public abstract record CompressStep
{
    public const double DefaultDamping = 1e-4;

    /// <summary>The method's name in a recipe.</summary>
    public abstract string Method { get; }

    /// <summary>Relative damping added to the Hessian's diagonal, as a fraction of its mean (algorithms.md 5.3).</summary>
    public double Damping { get; init; } = DefaultDamping;

    public virtual bool Prunes => false;
    public virtual bool Quantizes => false;
}

public enum MaskSelection
{
    Heap,
    Sort,
    Exact,
}

/// <summary>What a trace keeps for the second pass (algorithms.md 5.5).</summary>
public enum TraceKeeping
{
    /// <summary>What costs less, within the bound on memory.</summary>
    Auto,

    /// <summary>Every row after every step, within the bound.</summary>
    Rows,

    /// <summary>Order and losses.</summary>
    Order,
}

public sealed record ExactObsStep(double Sparsity, MaskSelection Select = MaskSelection.Heap) : CompressStep
{
    public TraceKeeping Trace { get; init; }

    public override string Method => "exact-obs";
    public override bool Prunes => true;
}

/// <summary>Keep exactly <paramref name="Keep"/> of every <paramref name="Group"/> consecutive input channels.</summary>
public sealed record NmStep(int Keep, int Group) : CompressStep
{
    public override string Method => "nm";
    public override bool Prunes => true;
}

public sealed record BlockStep(int Size, double Sparsity, MaskSelection Select = MaskSelection.Heap) : CompressStep
{
    public TraceKeeping Trace { get; init; }

    public override string Method => "block";
    public override bool Prunes => true;
}

public enum GridKind
{
    MinMax,
    Mse,
}

public enum QuantizationScheme
{
    Asymmetric,
    Symmetric,
}

public sealed record ObqStep(int Bits, GridKind Grid = GridKind.Mse, QuantizationScheme Scheme = QuantizationScheme.Asymmetric) : CompressStep
{
    public override string Method => "obq";
    public override bool Quantizes => true;
}

public sealed record RtnStep(int Bits, GridKind Grid = GridKind.Mse, QuantizationScheme Scheme = QuantizationScheme.Asymmetric) : CompressStep
{
    public override string Method => "rtn";
    public override bool Quantizes => true;
}

/// <summary>An override for the layers that match. First match wins.</summary>
/// <param name="Match">An exact name, a glob (<c>*</c>, <c>?</c>) or <c>/regex/</c>.</param>
public sealed record LayerRule(string Match)
{
    public bool Skip { get; init; }
    public int? Bits { get; init; }
    public double? Sparsity { get; init; }

    /// <summary>Solve only so many rows, from the first on, as a sample; null means all.</summary>
    public int? Rows { get; init; }
}
