using System.Text;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

/// <summary>One case an attack that a recipe can carry out. Paths through links and devices are tested where files are opened.</summary>
public sealed class HostileRecipeTests
{
    /// <summary>A recipe is at most 1 MiB; reading one may take this much in all.</summary>
    private const long AllowedBytes = 256L << 20;

    private const string Good = "model: m.onnx\ndata: {calibration: {file: c.npz}}\ncompress: [{method: obq, bits: 4}]\n";

    private static readonly Dictionary<string, (string Cause, Func<string> Attack)> Attacks = new()
    {
        ["laughs by the billion"] = ("anchors", () => "a: &a [x,x,x,x,x,x,x,x,x]\n" + string.Concat(Enumerable.Range(0, 9).Select(i => $"{(char)('b' + i)}: &{(char)('b' + i)} [*{(char)('a' + i)},*{(char)('a' + i)}]\n"))),
        ["an alias to itself"] = ("anchors", () => "a: &a [*a]\n" + Good),
        ["a merge key"] = ("aliases", () => Good + "output: {<<: *x, folder: out}\n"),
        ["a merge of nothing"] = ("unknown key", () => Good + "<<: {model: n.onnx}\n"),
        ["a tag that makes an object"] = ("tags", () => Good + "seed: !!python/object/apply:os.system ['id']\n"),
        ["a tag of .NET"] = ("tags", () => Good + "seed: !System.Diagnostics.Process {}\n"),
        ["a tag that is no address"] = ("no address", () => Good + "seed: !<:> 1\n"),
        ["a binary tag"] = ("tags", () => Good.Replace("m.onnx", "!!binary bS5vbm54")),
        ["a directive"] = ("tags", () => "%TAG ! tag:evil,2026:\n---\n" + Good + "seed: !x 1\n"),
        ["a key given twice"] = ("occurs twice", () => Good + "model: n.onnx\n"),
        ["two documents"] = ("one YAML document", () => Good + "---\n" + Good),
        ["a tab for a blank"] = ("not valid YAML", () => Good.Replace("data: {", "data:\n\t{")),
        ["lists in lists"] = ("nested deeper", () => Good + "correct: " + new string('[', 200_000)),
        ["sections in sections"] = ("nested deeper", () => Good + "output: " + string.Concat(Enumerable.Repeat("{folder: ", 50_000))),
        ["dashes on one line"] = ("nested deeper", () => string.Concat(Enumerable.Repeat("- ", 100_000))),
        ["questions on one line"] = ("nested deeper", () => string.Concat(Enumerable.Repeat("? ", 100_000))),
        ["indents that grow"] = ("nested deeper", () => string.Concat(Enumerable.Range(0, 1000).Select(i => new string(' ', i) + "a:\n"))),
        ["a text without end"] = ("larger than 1 MiB", () => Good + "seed: " + new string('9', 2 << 20)),
        ["a number of a megabyte"] = ("whole number", () => Good + "seed: " + new string('9', 900_000)),
        ["infinity in digits"] = ("finite number", () => Good.Replace("bits: 4", "bits: 4, damping: 1e999")),
        ["not a number"] = ("finite number", () => Good.Replace("bits: 4", "bits: 4, damping: NaN")),
        ["minus infinity"] = ("finite number", () => Good.Replace("bits: 4", "bits: 4, damping: -.inf")),
        ["a home folder"] = ("not relative", () => Good.Replace("m.onnx", "~/m.onnx")),
        ["another's home folder"] = ("not relative", () => Good.Replace("m.onnx", "~root/m.onnx")),
        ["a drive"] = ("not relative", () => Good.Replace("m.onnx", "C:\\m.onnx")),
        ["a share"] = ("not relative", () => Good.Replace("m.onnx", "\\\\server\\share\\m.onnx")),
        ["a file address"] = ("not a URL", () => Good.Replace("m.onnx", "file:///etc/m.onnx")),
        ["a way up behind a way down"] = ("out of the recipe's folder", () => Good.Replace("m.onnx", "a/../../m.onnx")),
        ["a way up with backslashes"] = ("out of the recipe's folder", () => Good.Replace("m.onnx", "a\\..\\..\\m.onnx")),
        ["a zero in a path"] = ("not relative", () => Good.Replace("m.onnx", "\"m\\0.onnx\"")),
        ["a line in a path"] = ("not relative", () => Good.Replace("m.onnx", "\"m\\n.onnx\"")),
        ["a cursor in a path"] = ("not relative", () => Good.Replace("m.onnx", "\"m\\e[2J.onnx\"")),
        ["a path of a megabyte"] = ("not relative", () => Good.Replace("m.onnx", new string('m', 900_000))),
        ["ten thousand rules"] = ("10000 rules", () => Good + "layers:\n" + string.Concat(Enumerable.Repeat("- {match: a, skip: true}\n", 10_000))),
        ["ten thousand steps"] = ("10000 steps", () => Good.Replace("[{", "[" + string.Concat(Enumerable.Repeat("{method: exact-obs, sparsity: 0.5},", 9_999)) + "{")),
        ["a regex that counts"] = ("linear time", () => Good + "layers: [{match: '/((a{1,1000}){1,1000}){1,1000}/', skip: true}]\n"),
        ["a regex that looks back"] = ("linear time", () => Good + "layers: [{match: '/(?<=a)b/', skip: true}]\n"),
    };

    public static TheoryData<string> Names => [.. Attacks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_refused_with_its_cause(string attack)
    {
        var text = Attacks[attack].Attack();
        var before = GC.GetAllocatedBytesForCurrentThread();

        var refused = Assert.Throws<InputException>(() => RecipeReader.Read(text));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, AllowedBytes);
        Assert.Contains(Attacks[attack].Cause, refused.Message, StringComparison.Ordinal);
        Assert.InRange(refused.Message.Length, 1, 100_000);
        Assert.NotEmpty(refused.Subject);
        Assert.NotEmpty(refused.Remedy);
    }

    [Fact]
    public void A_file_with_a_fault_on_every_line_tells_the_first_hundred()
    {
        var (_, errors) = RecipeReader.TryRead(string.Concat(Enumerable.Range(0, 60_000).Select(i => $"key{i}: 1\n")));

        Assert.InRange(errors.Count, 2, 101);
        Assert.Contains("more errors follow", errors[^1].Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_byte_order_mark_is_no_part_of_the_first_key() =>
        Assert.Equal("m.onnx", RecipeReader.Read("\uFEFF" + Good).Model);

    [Fact]
    public void A_regex_runs_in_the_time_of_its_name()
    {
        var pattern = LayerPattern.Parse("/^(a+)+$/");

        Assert.False(pattern.Matches(new string('a', 4000) + "b"));
        Assert.True(pattern.Matches(new string('a', 4000)));
    }
}
