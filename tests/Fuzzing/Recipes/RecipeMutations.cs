using System.Text;

namespace Orchestrator.Fuzzing.Recipes;

/// <summary>Mutations of a recipe: its lines as a tree that moves, its words, and the marks that YAML gives a meaning.</summary>
internal static class RecipeMutations
{
    private static readonly string[] s_words =
    [
        "version", "model", "data", "calibration", "evaluation", "preprocess", "compress", "layers", "batch_norm", "correct", "first_last_bits", "seed", "output",
        "folder", "file", "samples", "metric", "scale", "mean", "std", "method", "sparsity", "select", "damping", "pattern", "size", "bits", "grid", "scheme",
        "match", "skip", "exact-obs", "nm", "block", "obq", "rtn", "heap", "sort", "exact", "minmax", "mse", "symmetric", "asymmetric", "fold", "keep", "retune",
        "top1", "nll", "cosine", "mean_variance", "budget", "quantize", "true", "false", "null", "~", "yes", ".nan", ".inf", "1e999", "-0", "0x1F", "1_000",
        "2:4", "4:2", "0.5", "'", "\"", "|", ">", "|-", "&a ", "*a", "<<: *a", "!!python/object:os.system", "!!binary ", "!x ", "---\n", "...\n", "%YAML 1.2\n",
        "{", "}", "[", "]", ", ", ": ", "- ", "? ", "\n", "\n  ", "\t", "\r\n", "\0", "\uFEFF", "\u2028", "# ", "@", "`", "/(a+)+b/", "/[/", "/a{1,1000}{1,1000}/", "*", "?",
        "../x", "/etc/passwd", "~/x", "file:///x", "C:\\x", "a/../../b", "CON", "\u001b[2J",
    ];

    public static byte[] Mutate(byte[] input, byte[] other, Random random)
    {
        if (random.OneIn(8))
            return ByteMutations.Mutate(input, other, random);
        var text = Encoding.UTF8.GetString(input);
        if (random.OneIn(2))
            text = Lines(text, random);
        if (random.OneIn(40))
            text = Nested(text, random);
        var bytes = Encoding.UTF8.GetBytes(ByteMutations.Text(text, Encoding.UTF8.GetString(other), s_words, random));
        return bytes.Length > ByteMutations.MaxInput ? bytes[..ByteMutations.MaxInput] : bytes;
    }

    private static string Lines(string text, Random random)
    {
        var lines = text.Split('\n').ToList();
        var index = random.Next(lines.Count);
        var line = lines[index];
        switch (random.Next(5))
        {
            case 0:
                lines.RemoveAt(index);
                break;
            case 1:
                lines.Insert(random.Next(lines.Count + 1), line);
                break;
            case 2:
                lines[index] = "  " + line;
                break;
            case 3:
                lines[index] = line.TrimStart();
                break;
            default:
                lines.AddRange(Enumerable.Repeat(line, random.Pick<int>([10, 100, 500])));
                break;
        }
        return string.Join('\n', lines);
    }

    private static string Nested(string text, Random random)
    {
        var at = random.Next(text.Length + 1);
        var depth = random.Pick<int>([19, 20, 21, 100, 5000]);
        var mark = random.Pick<string>(["[", "{a: ", "- ", "? ", "- - ", "&a [*a,", "!t "]);
        return text.Insert(at, string.Concat(Enumerable.Repeat(mark, depth)));
    }
}
