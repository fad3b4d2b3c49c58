using System.Globalization;
using Orchestrator.Cli.Verbs;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Solving;

/// <summary>The options of <c>orc solve</c> that say what to do with the layer; null where not given.</summary>
internal sealed record SolveOptions
{
    public const int DefaultBlockSize = 4;
    public const string DefaultPattern = "2:4";

    /// <summary>What <c>--levels</c> calls the paper's sparsities.</summary>
    public const string PaperLevels = "paper";

    private const int MostLevels = 1000;

    public required string Method { get; init; }
    public double? Sparsity { get; init; }
    public string? Levels { get; init; }
    public string? Pattern { get; init; }
    public int? BlockSize { get; init; }
    public int? Bits { get; init; }
    public string? Grid { get; init; }
    public bool Symmetric { get; init; }
    public string? Select { get; init; }
    public double Damping { get; init; } = CompressStep.DefaultDamping;

    private bool Quantizes => Method is "obq" or "rtn";

    /// <exception cref="InputException"><c>option-invalid</c> or <c>option-missing</c>, or an option that the method has no use for.</exception>
    public CompressStepSpec ToStep()
    {
        OptionChecks.OneOf("--method", Method, s_methods);
        if (!double.IsFinite(Damping) || Damping < 0)
            throw new InputException(OptionChecks.Code, "--damping", $"{Damping} is out of range", "Give a fraction of the Hessian's mean diagonal, 0 or more.");
        RefuseUseless();
        var step = new CompressStepSpec { Method = Method, Damping = Damping };
        return Method switch
        {
            "exact-obs" => step with { Sparsity = CheckedSparsity(), Select = Selection() },
            "block" => step with { Sparsity = CheckedSparsity(), Select = Selection(), Size = CheckedBlockSize() },
            "nm" => NmStep(step),
            _ => step with { Bits = CheckedBits(), Grid = GridKindOf(), Scheme = Symmetric ? QuantizationScheme.Symmetric : QuantizationScheme.Asymmetric },
        };
    }

    /// <summary>The sparsities of <c>--levels</c>, ascending; null where one result is wanted.</summary>
    /// <exception cref="InputException"><c>option-invalid</c>.</exception>
    public IReadOnlyList<double>? ToLevels()
    {
        if (Levels is null)
            return null;
        if (Levels == PaperLevels)
            return Method == "block" ? SparsityLevels.Blocks : SparsityLevels.Unstructured;
        var words = Levels.Split(',', StringSplitOptions.TrimEntries);
        var levels = words.Select(word => double.TryParse(word, NumberStyles.Float, CultureInfo.InvariantCulture, out var level) ? level : double.NaN).ToArray();
        var wrong = Array.FindIndex(levels, level => !(level is >= 0 and < 1));
        if (wrong >= 0)
            throw new InputException(OptionChecks.Code, "--levels", $"'{words[wrong]}' is no fraction of zeros, 0 or more and below 1", $"Give fractions with commas between, or {PaperLevels}.");
        if (levels.Length > MostLevels)
            throw new InputException(OptionChecks.Code, "--levels", $"{levels.Length} levels are asked for", $"Give at most {MostLevels}.");
        return [.. levels.Distinct().Order()];
    }

    private static readonly string[] s_methods = ["exact-obs", "nm", "block", "obq", "rtn"];
    private static readonly string[] s_grids = ["minmax", "mse"];
    private static readonly string[] s_selections = ["heap", "sort", "exact"];

    /// <summary>An option without effect would be a wish silently ignored.</summary>
    private void RefuseUseless()
    {
        Refuse("--sparsity", Sparsity is not null && Method is not ("exact-obs" or "block"));
        Refuse("--levels", Levels is not null && Method is not ("exact-obs" or "block"));
        Refuse("--select", Select is not null && Method is not ("exact-obs" or "block"));
        Refuse("--pattern", Pattern is not null && Method != "nm");
        Refuse("--block-size", BlockSize is not null && Method != "block");
        Refuse("--bits", Bits is not null && !Quantizes);
        Refuse("--grid", Grid is not null && !Quantizes);
        Refuse("--symmetric", Symmetric && !Quantizes);
    }

    private void Refuse(string option, bool useless)
    {
        if (useless)
            throw new InputException(OptionChecks.Code, option, $"the method '{Method}' has no use for it", "Leave it out.");
    }

    /// <summary>Null where levels take its place.</summary>
    private double? CheckedSparsity() => Sparsity switch
    {
        not null when Levels is not null => throw new InputException(OptionChecks.Code, "--levels", "--sparsity is given too", "Give one of the two."),
        null when Levels is not null => null,
        null => throw Missing("--sparsity", "a fraction of zeros, 0 or more and below 1, or --levels"),
        >= 0 and < 1 => Sparsity.Value,
        _ => throw new InputException(OptionChecks.Code, "--sparsity", $"{Sparsity} is out of range", "Give a fraction of zeros, 0 or more and below 1."),
    };

    private int CheckedBits()
    {
        var bits = Bits ?? throw Missing("--bits", $"{RecipeLimits.MinBits} to {RecipeLimits.MaxBits}");
        OptionChecks.Within("--bits", bits, RecipeLimits.MinBits, RecipeLimits.MaxBits);
        return bits;
    }

    private int CheckedBlockSize()
    {
        var size = BlockSize ?? DefaultBlockSize;
        OptionChecks.Within("--block-size", size, 1, RecipeLimits.GroupSize);
        return size;
    }

    private CompressStepSpec NmStep(CompressStepSpec step)
    {
        if (NmPattern.TryParse(Pattern ?? DefaultPattern, out var keep, out var group))
            return step with { Keep = keep, Group = group };
        throw new InputException(OptionChecks.Code, "--pattern", $"'{Pattern}' is no N:M pattern", $"Give for example {DefaultPattern}: keep 2 of every 4.");
    }

    private GridKind GridKindOf()
    {
        if (Grid is null)
            return GridKind.Mse;
        OptionChecks.OneOf("--grid", Grid, s_grids);
        return Grid == "minmax" ? GridKind.MinMax : GridKind.Mse;
    }

    private MaskSelection Selection()
    {
        if (Select is null)
            return MaskSelection.Heap;
        OptionChecks.OneOf("--select", Select, s_selections);
        return Select switch { "sort" => MaskSelection.Sort, "exact" => MaskSelection.Exact, _ => MaskSelection.Heap };
    }

    private InputException Missing(string option, string values) =>
        new("option-missing", option, $"the method '{Method}' needs it", $"Give {values}.");
}
