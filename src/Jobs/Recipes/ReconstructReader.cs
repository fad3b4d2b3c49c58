namespace Orchestrator.Jobs.Recipes;

/// <summary>A step <c>adaround</c> or <c>brecq</c>.</summary>
internal static class ReconstructReader
{
    private const int DefaultIterationsOfLayer = 10_000;
    private const int DefaultIterationsOfBlock = 20_000;

    public static ReconstructStep Read(string method, Section section)
    {
        section.Require("bits");
        var isLayerwise = method == "adaround";
        var step = new ReconstructStep(method, (int)(section.Integer("bits", RecipeLimits.MinBits, RecipeLimits.MaxBits) ?? RecipeLimits.MaxBits))
        {
            Granularity = ReadGranularity(section) ?? (isLayerwise ? Granularity.Layer : Granularity.Block),
            Iterations = ReadCount(section, "iterations", isLayerwise ? DefaultIterationsOfLayer : DefaultIterationsOfBlock),
        };
        step = step with
        {
            Inputs = section.Choice("inputs", RecipeKeys.Inputs) == "float" ? ReconstructionInputs.Unquantized : step.Inputs,
            ActivationBits = ReadActivationBits(section) ?? step.ActivationBits,
            Loss = ReadLoss(section) ?? step.Loss,
            Batch = ReadCount(section, "batch", step.Batch),
            Rate = ReadPositive(section, "rate", step.Rate),
            Lambda = ReadPositive(section, "lambda", step.Lambda),
            Warmup = ReadShare(section, "warmup") ?? step.Warmup,
            Activations = section.Choice("activations", RecipeKeys.ActivationTunings) == "joint" ? ActivationTuning.Joint : step.Activations,
            ActivationIterations = ReadCount(section, "activation_iterations", step.ActivationIterations),
            ActivationRate = ReadPositive(section, "activation_rate", step.ActivationRate),
        };
        if (step.ActivationBits == ReconstructStep.FloatBits && RecipeKeys.OfActivations.FirstOrDefault(section.Has) is { } idle)
            section.Fault(idle, "activations stay in float; give activation_bits, for example 4");
        step = ReadDrop(section, step);
        if (step.Activations == ActivationTuning.Joint && section.Has("activation_iterations"))
            section.Fault("activation_iterations", "step sizes that are learned with the weights take their iterations; leave it out, or write activations: two-phase");
        return ReadBeta(section, step);
    }

    private static Granularity? ReadGranularity(Section section) => section.Choice("granularity", RecipeKeys.Granularities) switch
    {
        "layer" => Granularity.Layer,
        "block" => Granularity.Block,
        "stage" => Granularity.Stage,
        "net" => Granularity.Net,
        _ => null,
    };

    private static ReconstructionLoss? ReadLoss(Section section) => section.Choice("loss", RecipeKeys.Losses) switch
    {
        "mse" => ReconstructionLoss.Mse,
        "fisher" => ReconstructionLoss.Fisher,
        "fisher-original" => ReconstructionLoss.FisherOriginal,
        _ => null,
    };

    private static int? ReadActivationBits(Section section)
    {
        if (section.Integer("activation_bits", RecipeLimits.MinBits, ReconstructStep.FloatBits) is not { } bits)
            return null;
        if (bits is > RecipeLimits.MaxBits and not ReconstructStep.FloatBits)
            section.Fault("activation_bits", $"{bits} is out of range; {RecipeLimits.MinBits} to {RecipeLimits.MaxBits}, or {ReconstructStep.FloatBits} for float");
        return (int)bits;
    }

    /// <summary>Elements are dropped while step sizes are learned with the weights.</summary>
    private static ReconstructStep ReadDrop(Section section, ReconstructStep step)
    {
        if (ReadShare(section, "drop") is not { } drop)
            return step;
        if (section.Has("activations") && step.Activations != ActivationTuning.Joint)
            section.Fault("drop", "it needs step sizes that are learned with the weights; write activations: joint, or leave activations out");
        return step with { Drop = drop, Activations = ActivationTuning.Joint };
    }

    private static int ReadCount(Section section, string key, int otherwise) => (int)(section.Integer(key, 1, RecipeLimits.Iterations) ?? otherwise);

    private static double ReadPositive(Section section, string key, double otherwise)
    {
        var value = section.Number(key) ?? otherwise;
        if (value <= 0)
            section.Fault(key, $"{value} is out of range; it must be above 0");
        return value;
    }

    private static double? ReadShare(Section section, string key)
    {
        var share = section.Number(key);
        if (share is < 0 or >= 1)
            section.Fault(key, $"{share} is out of range; a share is 0 or more and below 1");
        return share;
    }

    private static ReconstructStep ReadBeta(Section section, ReconstructStep step)
    {
        if (section.Numbers("beta") is not { } beta)
            return step;
        if (beta is [var first, var last] && first >= last && last >= 1)
            return step with { FirstBeta = first, LastBeta = last };
        section.Fault("beta", "give where the exponent begins and where it ends, for example [20, 2]; it falls, and not below 1");
        return step;
    }
}
