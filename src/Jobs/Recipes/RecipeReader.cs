using System.Text;

namespace Orchestrator.Jobs.Recipes;

/// <summary>YAML text to a checked <see cref="Recipe"/> (design.md section 8). Finds all errors at once.</summary>
public static class RecipeReader
{
    private const char ByteOrderMark = '\uFEFF';

    /// <summary>The JSON Schema of a recipe, for editors.</summary>
    public static string Schema
    {
        get
        {
            using var stream = typeof(RecipeReader).Assembly.GetManifestResourceStream("recipe.schema.json")
                ?? throw new InvalidOperationException("The recipe schema is not part of the assembly.");
            using var reader = new StreamReader(stream, Encoding.UTF8);
            return reader.ReadToEnd();
        }
    }

    /// <exception cref="InputException"><c>recipe-invalid</c>, or <c>recipe-too-new</c> where every fault is something that only a newer version knows; the message holds one line a fault.</exception>
    public static Recipe Read(string text)
    {
        var (recipe, errors) = TryRead(text);
        if (recipe is not null)
            return recipe;

        var message = errors.Count == 1
            ? errors[0].ToString()
            : $"{errors.Count} errors\n" + string.Join('\n', errors.Select(error => "  " + error));
        var subject = string.Join(", ", errors.Select(error => error.Path.Length == 0 ? "recipe" : error.Path).Distinct());
        var isNewer = errors.All(error => error.IsNewer);
        var remedy = isNewer
            ? "Remove what this version cannot do, or use a newer orc."
            : "Correct the recipe; `orc run --schema` prints its JSON Schema.";
        throw new InputException(isNewer ? "recipe-too-new" : "recipe-invalid", subject, message, remedy);
    }

    /// <summary>The recipe, or null and at least one error, in order of lines.</summary>
    public static (Recipe? Recipe, IReadOnlyList<RecipeError> Errors) TryRead(string text)
    {
        var errors = new RecipeErrors();
        if (Encoding.UTF8.GetByteCount(text) > RecipeLimits.Bytes)
        {
            errors.Add(1, "", $"the recipe is larger than {RecipeLimits.Bytes >> 20} MiB");
            return (null, errors.InOrder);
        }

        // Some editors put a byte order mark first; YAML allows it.
        var recipe = RecipeTree.Parse(text.StartsWith(ByteOrderMark) ? text[1..] : text, errors) is { } tree ? ReadRoot(tree, errors) : null;
        return errors.Any ? (null, errors.InOrder) : (recipe, []);
    }

    private static Recipe? ReadRoot(RecipeNode tree, RecipeErrors errors)
    {
        if (Section.Of(tree, "", RecipeKeys.Root, errors, [.. RecipeKeys.RootLater]) is not { } root)
            return null;
        root.Require("model", "data", "compress");
        CheckVersion(root, errors);

        return new Recipe
        {
            Model = ReadPath(root, "model") ?? "",
            Data = ReadData(root.Child("data", RecipeKeys.Data)),
            Compress = CompressReader.Read(root, errors),
            Layers = LayerRuleReader.Read(root, errors),
            FirstLastBits = root.Choice("first_last_bits", RecipeKeys.FirstLastBits) switch
            {
                "same" => FirstLastBits.Same,
                "8" => FirstLastBits.Eight,
                _ => null,
            },
            BatchNorm = root.Choice("batch_norm", RecipeKeys.BatchNorms) switch
            {
                "keep" => BatchNormMode.Keep,
                "retune" => BatchNormMode.Retune,
                _ => BatchNormMode.Fold,
            },
            Zeros = root.Choice("zeros", RecipeKeys.Zeros) switch
            {
                "keep" => ExistingZeros.Keep,
                "free" => ExistingZeros.Free,
                _ => ExistingZeros.Auto,
            },
            Correct = ReadCorrections(root, errors),
            Seed = root.Integer("seed", long.MinValue, long.MaxValue) ?? 0,
            OutputFolder = root.Child("output", RecipeKeys.Output) is { } output ? ReadPath(output, "folder") ?? "out" : "out",
        };
    }

    private static void CheckVersion(Section root, RecipeErrors errors)
    {
        if (root.Integer("version", 1, long.MaxValue) is > Recipe.CurrentVersion and var version)
            errors.AddNotYet(root.LineOf("version"), "version", $"recipe version {version} (newest known: {Recipe.CurrentVersion})");
    }

    private static List<Correction> ReadCorrections(Section root, RecipeErrors errors)
    {
        var corrections = new List<Correction>();
        foreach (var item in root.List("correct") ?? [])
        {
            var text = (item as ScalarNode)?.Text;
            if (text is null || !RecipeKeys.Corrections.Contains(text))
            {
                errors.Add(item.Line, "correct", $"unknown correction {item.Shape}; {Spelling.Hint(text ?? "", RecipeKeys.Corrections)}");
                continue;
            }

            var correction = text == "bias" ? Correction.Bias : Correction.MeanVariance;
            if (corrections.Contains(correction))
                errors.Add(item.Line, "correct", $"'{text}' occurs twice");
            corrections.Add(correction);
        }

        return corrections;
    }

    private static RecipeData ReadData(Section? data)
    {
        data?.Require("calibration");
        var calibration = data?.Child("calibration", RecipeKeys.Calibration);
        calibration?.Require("file");
        var evaluation = data?.Child("evaluation", RecipeKeys.Evaluation);
        evaluation?.Require("file");

        return new RecipeData
        {
            Calibration = new CalibrationData(
                calibration is null ? "" : ReadPath(calibration, "file") ?? "",
                (int?)calibration?.Integer("samples", 1, int.MaxValue)),
            Evaluation = evaluation is null
                ? null
                : new EvaluationData(ReadPath(evaluation, "file") ?? "", evaluation.Choice("metric", RecipeKeys.Metrics) ?? "cosine"),
            Preprocess = data?.Child("preprocess", RecipeKeys.Preprocess) is { } preprocess ? ReadPreprocess(preprocess) : new Preprocess(),
        };
    }

    private static Preprocess ReadPreprocess(Section section)
    {
        var scale = section.Number("scale");
        if (scale == 0)
            section.Fault("scale", "0 would erase the data");
        var mean = section.Numbers("mean") ?? [];
        var std = section.Numbers("std") ?? [];
        if (std.Contains(0))
            section.Fault("std", "0 would divide by zero");
        if (mean.Count > 0 && std.Count > 0 && mean.Count != std.Count)
            section.Fault("std", $"{std.Count} values, but mean has {mean.Count}; give one of each per channel");
        return new Preprocess { Scale = scale ?? 1, Mean = mean, Std = std };
    }

    /// <summary>A path as written. Whether it leads out of the folder through links is for the reader of the file to find out.</summary>
    private static string? ReadPath(Section section, string key)
    {
        if (section.Text(key) is not { } path)
            return null;
        if (path.Contains("://", StringComparison.Ordinal))
            section.Fault(key, "a recipe never fetches anything: give a path, not a URL");
        else if (IsAbsolute(path) || path.Any(char.IsControl) || path.Length > RecipeLimits.PathLength)
            section.Fault(key, $"'{Printable(path)}' is not relative; paths are relative to the recipe's folder and made of at most {RecipeLimits.PathLength} printable characters");
        else if (LeavesFolder(path))
            section.Fault(key, $"'{path}' leads out of the recipe's folder");
        return path;
    }

    /// <summary>On any system: a recipe must mean the same everywhere.</summary>
    private static bool IsAbsolute(string path) =>
        Path.IsPathRooted(path) || path[0] is '/' or '\\' or '~' || (path.Length > 1 && path[1] == ':' && char.IsAsciiLetter(path[0]));

    private static string Printable(string path)
    {
        const int Shown = 200;
        return string.Concat(path.Take(Shown).Select(c => char.IsControl(c) ? '?' : c)) + (path.Length > Shown ? "…" : "");
    }

    private static bool LeavesFolder(string path)
    {
        var depth = 0;
        foreach (var part in path.Split('/', '\\'))
        {
            depth += part switch { ".." => -1, "" or "." => 0, _ => 1 };
            if (depth < 0)
                return true;
        }

        return false;
    }
}
