namespace Orchestrator.Jobs.Recipes;

/// <summary>Every key and word of a recipe. <c>recipe.schema.json</c> says the same for editors; a test compares the two.</summary>
internal static class RecipeKeys
{
    public static readonly string[] Root =
        ["version", "model", "data", "compress", "layers", "zeros", "batch_norm", "correct", "first_last_bits", "seed", "output"];

    /// <summary>Keys of later versions: known, refused with a reason.</summary>
    public static readonly string[] RootLater = ["budget"];

    public static readonly string[] Data = ["calibration", "evaluation", "preprocess"];
    public static readonly string[] Calibration = ["file", "samples"];
    public static readonly string[] Evaluation = ["file", "metric"];
    public static readonly string[] Preprocess = ["scale", "mean", "std"];
    public static readonly string[] Layer = ["match", "skip", "bits", "sparsity", "rows"];
    public static readonly string[] Output = ["folder"];

    private static readonly string[] s_reconstruction =
    [
        "method", "bits", "grid", "scheme", "granularity", "iterations", "batch", "rate", "lambda", "beta", "warmup", "inputs", "loss",
        "activation_bits", "activations", "activation_iterations", "activation_rate", "drop", "damping",
    ];

    /// <summary>Those of them that say something only where activations have less than 32 bits.</summary>
    public static readonly string[] OfActivations = ["activations", "activation_iterations", "activation_rate", "drop"];

    /// <summary>Keys of each method, <c>method</c> itself included.</summary>
    public static readonly IReadOnlyDictionary<string, string[]> Methods = new Dictionary<string, string[]>
    {
        ["exact-obs"] = ["method", "sparsity", "select", "trace", "damping"],
        ["nm"] = ["method", "pattern", "damping"],
        ["block"] = ["method", "size", "sparsity", "select", "trace", "damping"],
        ["obq"] = ["method", "bits", "grid", "scheme", "damping"],
        ["rtn"] = ["method", "bits", "grid", "scheme", "damping"],
        ["adaround"] = s_reconstruction,
        ["brecq"] = s_reconstruction,
    };

    public static readonly string[] MethodsLater = ["quantize"];

    public static readonly string[] Metrics = ["top1", "top5", "nll", "cosine", "mse"];
    public static readonly string[] Selections = ["heap", "sort", "exact"];
    public static readonly string[] Traces = ["auto", "rows", "order"];
    public static readonly string[] Grids = ["minmax", "mse"];
    public static readonly string[] Schemes = ["asymmetric", "symmetric"];
    public static readonly string[] Zeros = ["auto", "keep", "free"];
    public static readonly string[] BatchNorms = ["fold", "keep", "retune"];
    public static readonly string[] Granularities = ["layer", "block", "stage", "net"];
    public static readonly string[] Inputs = ["quantized", "float"];
    public static readonly string[] Losses = ["mse", "fisher", "fisher-original"];
    public static readonly string[] ActivationTunings = ["two-phase", "joint"];
    public static readonly string[] Corrections = ["bias", "mean_variance"];
    public static readonly string[] FirstLastBits = ["same", "8"];
}
