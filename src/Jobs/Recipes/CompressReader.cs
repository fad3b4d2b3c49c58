using System.Globalization;

namespace Orchestrator.Jobs.Recipes;

/// <summary>The <c>compress</c> list.</summary>
internal static class CompressReader
{
    public static IReadOnlyList<CompressStep> Read(Section root, RecipeErrors errors)
    {
        if (root.List("compress") is not { } items)
            return [];
        if (items.Count == 0)
            root.Fault("compress", $"the list is empty; give at least one step, methods: {string.Join(", ", RecipeKeys.Methods.Keys)}");

        if (items.Count > RecipeLimits.Steps)
        {
            root.Fault("compress", $"the list has {items.Count} steps; at most {RecipeLimits.Steps} are allowed");
            return [];
        }

        var steps = new List<CompressStep>();
        for (var i = 0; i < items.Count; i++)
        {
            var path = $"compress[{i}]";
            if (ReadStep(items[i], path, errors) is not { } step)
                continue;
            if (steps.Any(earlier => earlier.Quantizes))
                errors.Add(items[i].Line, path, $"'{step.Method}' after a quantizing step would undo it; prune first, quantize once, last");
            steps.Add(step);
        }

        return steps;
    }

    private static CompressStep? ReadStep(RecipeNode node, string path, RecipeErrors errors)
    {
        if (MethodOf(node, path, errors) is not { } method
            || Section.Of(node, path, RecipeKeys.Methods[method], errors) is not { } section)
        {
            return null;
        }

        var damping = section.Number("damping") ?? CompressStep.DefaultDamping;
        if (damping < 0)
            section.Fault("damping", $"{damping} is negative; damping is a fraction of the Hessian's mean diagonal, 0 or more");
        return Build(method, section) with { Damping = damping };
    }

    private static CompressStep Build(string method, Section section) => method switch
    {
        "exact-obs" => new ExactObsStep(ReadSparsity(section), ReadSelection(section)) { Trace = ReadTrace(section) },
        "block" => new BlockStep(ReadSize(section), ReadSparsity(section), ReadSelection(section)) { Trace = ReadTrace(section) },
        "nm" => ReadPattern(section),
        "obq" => new ObqStep(ReadBits(section), ReadGrid(section), ReadScheme(section)),
        "rtn" => new RtnStep(ReadBits(section), ReadGrid(section), ReadScheme(section)),
        "adaround" or "brecq" => ReconstructReader.Read(method, section) with { Grid = ReadGrid(section), Scheme = ReadScheme(section) },
        _ => throw new ArgumentOutOfRangeException(nameof(method), method, "No such method."),
    };

    /// <summary>Read before the other keys, because it says which keys are valid.</summary>
    private static string? MethodOf(RecipeNode node, string path, RecipeErrors errors)
    {
        var known = RecipeKeys.Methods.Keys.ToList();
        if (node is not SectionNode section)
        {
            errors.Add(node.Line, path, $"expected a step such as {{method: obq, bits: 4}}, found {node.Shape}");
            return null;
        }

        var entry = section.Entries.FirstOrDefault(entry => entry.Key == "method");
        if (entry is null)
        {
            errors.Add(node.Line, $"{path}.method", $"this key is required; valid: {string.Join(", ", known)}");
            return null;
        }

        var text = (entry.Value as ScalarNode)?.Text;
        if (text is not null && known.Contains(text))
            return text;
        if (text is not null && RecipeKeys.MethodsLater.Contains(text))
            errors.AddNotYet(entry.Line, $"{path}.method", $"method '{text}' (valid here: {string.Join(", ", known)})");
        else
            errors.Add(entry.Line, $"{path}.method", $"unknown method {entry.Value.Shape}; {Spelling.Hint(text ?? "", known)}");
        return null;
    }

    public static double? CheckSparsity(Section section)
    {
        var sparsity = section.Number("sparsity");
        if (sparsity is < 0 or >= 1)
            section.Fault("sparsity", $"{sparsity?.ToString(CultureInfo.InvariantCulture)} is out of range; the fraction of zeros must be 0 or more and below 1");
        return sparsity;
    }

    private static double ReadSparsity(Section section)
    {
        section.Require("sparsity");
        return CheckSparsity(section) ?? 0;
    }

    private static int ReadBits(Section section)
    {
        section.Require("bits");
        return (int)(section.Integer("bits", RecipeLimits.MinBits, RecipeLimits.MaxBits) ?? RecipeLimits.MaxBits);
    }

    private static int ReadSize(Section section)
    {
        section.Require("size");
        return (int)(section.Integer("size", 1, RecipeLimits.GroupSize) ?? 1);
    }

    private static NmStep ReadPattern(Section section)
    {
        section.Require("pattern");
        if (section.Text("pattern") is not { } pattern)
            return new NmStep(1, 2);
        if (NmPattern.TryParse(pattern, out var keep, out var group))
            return new NmStep(keep, group);
        section.Fault("pattern", $"'{pattern}' is no N:M pattern; write for example \"2:4\" (keep 2 of every 4), 1 ≤ N < M ≤ {RecipeLimits.GroupSize}");
        return new NmStep(1, 2);
    }

    private static MaskSelection ReadSelection(Section section) => section.Choice("select", RecipeKeys.Selections) switch
    {
        "sort" => MaskSelection.Sort,
        "exact" => MaskSelection.Exact,
        _ => MaskSelection.Heap,
    };

    private static TraceKeeping ReadTrace(Section section) => section.Choice("trace", RecipeKeys.Traces) switch
    {
        "rows" => TraceKeeping.Rows,
        "order" => TraceKeeping.Order,
        _ => TraceKeeping.Auto,
    };

    private static GridKind ReadGrid(Section section) =>
        section.Choice("grid", RecipeKeys.Grids) == "minmax" ? GridKind.MinMax : GridKind.Mse;

    private static QuantizationScheme ReadScheme(Section section) =>
        section.Choice("scheme", RecipeKeys.Schemes) == "symmetric" ? QuantizationScheme.Symmetric : QuantizationScheme.Asymmetric;
}
