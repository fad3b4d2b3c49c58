using FsCheck;
using FsCheck.Fluent;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

/// <summary>Each kind of fault: where it is and what is said about it.</summary>
public sealed class RecipeFaultTests
{
    private const string Good = """
        model: m.onnx
        data:
          calibration: {file: c.npz, samples: 8}
          evaluation: {file: t.npz, metric: top1}
          preprocess: {scale: 1, mean: [0], std: [1]}
        compress:
          - {method: exact-obs, sparsity: 0.7}
          - {method: obq, bits: 4}
        layers:
          - {match: "fc", bits: 8}
        """;

    [Theory]
    [InlineData("model: m.onnx", "model: m.onnx\nmodel: n.onnx", 2, "model", "occurs twice, first on line 1")]
    [InlineData("model: m.onnx", "Model: m.onnx", 1, "Model", "did you mean 'model'? valid: version, model, data")]
    [InlineData("model: m.onnx", "model: m.onnx\nbatchnorm: fold", 2, "batchnorm", "did you mean 'batch_norm'?")]
    [InlineData("model: m.onnx", "model: m.onnx\nzzz: 1", 2, "zzz", "unknown key; valid: version, model")]
    [InlineData("model: m.onnx", "model:", 1, "model", "expected text, found nothing")]
    [InlineData("model: m.onnx", "model: ''", 1, "model", "expected text, found nothing")]
    [InlineData("model: m.onnx", "model: [m.onnx]", 1, "model", "expected text, found a list")]
    [InlineData("model: m.onnx", "model: ../m.onnx", 1, "model", "leads out of the recipe's folder")]
    [InlineData("model: m.onnx", "model: a/../../m.onnx", 1, "model", "leads out of the recipe's folder")]
    [InlineData("model: m.onnx", "model: /etc/m.onnx", 1, "model", "is not relative")]
    [InlineData("model: m.onnx", "model: https://example.org/m.onnx", 1, "model", "not a URL")]
    [InlineData("file: c.npz", "file: ../c.npz", 3, "data.calibration.file", "leads out of the recipe's folder")]
    [InlineData("samples: 8", "samples: -1", 3, "data.calibration.samples", "a whole number from 1 to 2147483647, found '-1'")]
    [InlineData("samples: 8", "samples: 8.5", 3, "data.calibration.samples", "a whole number")]
    [InlineData("samples: 8", "samples: \"8\"", 3, "data.calibration.samples", "a whole number")]
    [InlineData("samples: 8", "sample: 8", 3, "data.calibration.sample", "did you mean 'samples'? valid: file, samples")]
    [InlineData("metric: top1", "metric: top-1", 4, "data.evaluation.metric", "did you mean 'top1'? valid: top1, top5, nll, cosine, mse")]
    [InlineData("scale: 1", "scale: 0", 5, "data.preprocess.scale", "erase the data")]
    [InlineData("scale: 1", "scale: .nan", 5, "data.preprocess.scale", "expected a finite number, found '.nan'")]
    [InlineData("scale: 1", "scale: NaN", 5, "data.preprocess.scale", "expected a finite number")]
    [InlineData("scale: 1", "scale: Infinity", 5, "data.preprocess.scale", "expected a finite number")]
    [InlineData("scale: 1", "scale: 1e999", 5, "data.preprocess.scale", "expected a finite number")]
    [InlineData("mean: [0]", "mean: [0, x]", 5, "data.preprocess.mean[1]", "expected a finite number, found 'x'")]
    [InlineData("mean: [0]", "mean: 0", 5, "data.preprocess.mean", "expected a list, found '0'")]
    [InlineData("mean: [0]", "mean: [0, 0]", 5, "data.preprocess.std", "1 values, but mean has 2")]
    [InlineData("std: [1]", "std: [0]", 5, "data.preprocess.std", "divide by zero")]
    public void A_fault_of_model_or_data_is_told_with_line_key_and_cause(string part, string wrong, int line, string path, string cause) =>
        AssertFault(part, wrong, line, path, cause);

    [Theory]
    [InlineData("sparsity: 0.7", "sparsity: 1", 7, "compress[0].sparsity", "1 is out of range")]
    [InlineData("sparsity: 0.7", "sparsity: -0.1", 7, "compress[0].sparsity", "-0.1 is out of range")]
    [InlineData("sparsity: 0.7", "sparsity: many", 7, "compress[0].sparsity", "expected a finite number, found 'many'")]
    [InlineData(", sparsity: 0.7", "", 7, "compress[0].sparsity", "this key is required")]
    [InlineData("sparsity: 0.7", "sparsity: 0.7, damping: -1", 7, "compress[0].damping", "is negative")]
    [InlineData("sparsity: 0.7", "sparsity: 0.7, select: stack", 7, "compress[0].select", "unknown value 'stack'; valid: heap, sort, exact")]
    [InlineData("sparsity: 0.7", "sparsity: 0.7, bits: 3", 7, "compress[0].bits", "unknown key; valid: method, sparsity, select, trace, damping")]
    [InlineData("method: exact-obs", "method: exact_obs", 7, "compress[0].method", "did you mean 'exact-obs'? valid: exact-obs, nm, block, obq, rtn")]
    [InlineData("method: exact-obs, ", "", 7, "compress[0].method", "this key is required; valid: exact-obs")]
    [InlineData("method: exact-obs", "method: [exact-obs]", 7, "compress[0].method", "unknown method a list")]
    [InlineData("{method: exact-obs, sparsity: 0.7}", "exact-obs", 7, "compress[0]", "expected a step such as")]
    [InlineData("method: exact-obs, sparsity: 0.7", "method: nm, pattern: 4:2", 7, "compress[0].pattern", "'4:2' is no N:M pattern")]
    [InlineData("method: exact-obs, sparsity: 0.7", "method: nm, pattern: 0:4", 7, "compress[0].pattern", "1 ≤ N < M")]
    [InlineData("method: exact-obs, sparsity: 0.7", "method: block, size: 0, sparsity: 0.5", 7, "compress[0].size", "from 1 to 1024, found '0'")]
    [InlineData("method: exact-obs, sparsity: 0.7", "method: rtn, bits: 4", 8, "compress[1]", "prune first, quantize once, last")]
    [InlineData("bits: 4", "bits: 1", 8, "compress[1].bits", "from 2 to 8, found '1'")]
    [InlineData("bits: 4", "bits: 9", 8, "compress[1].bits", "from 2 to 8, found '9'")]
    [InlineData("bits: 4", "bits: 4, grid: max", 8, "compress[1].grid", "valid: minmax, mse")]
    [InlineData("bits: 4", "bits: 4, scheme: symetric", 8, "compress[1].scheme", "did you mean 'symmetric'?")]
    [InlineData("match: \"fc\", ", "", 10, "layers[0].match", "this key is required")]
    [InlineData(", bits: 8", "", 10, "layers[0].match", "the rule says nothing")]
    [InlineData("bits: 8", "bits: 8, skip: true", 10, "layers[0].skip", "give one or the other")]
    [InlineData("bits: 8", "skip: yes", 10, "layers[0].skip", "valid: true, false")]
    [InlineData("\"fc\"", "/(/", 10, "layers[0].match", "not a valid regex")]
    [InlineData("\"fc\"", "/(?=a)b/", 10, "layers[0].match", "linear time")]
    [InlineData("bits: 8", "sparsity: 2", 10, "layers[0].sparsity", "2 is out of range")]
    public void A_fault_of_a_step_or_layer_is_told_with_line_key_and_cause(string part, string wrong, int line, string path, string cause) =>
        AssertFault(part, wrong, line, path, cause);

    [Theory]
    [InlineData("", 1, "the recipe is empty")]
    [InlineData("# nothing\n", 1, "the recipe is empty")]
    [InlineData("just words", 1, "expected keys (version, model")]
    [InlineData("- a\n- b", 1, "found a list")]
    [InlineData("model: [a, b\ndata: 1", 2, "not valid YAML")]
    [InlineData("model: m.onnx\n\tdata: 1", 1, "not valid YAML")]
    [InlineData("a: &x 1\nb: *x", 1, "anchors")]
    [InlineData("a: 1\nb: *x", 2, "aliases")]
    [InlineData("a: !!python/object:os.system 1", 1, "tags")]
    [InlineData("a: 1\n---\nb: 2", 2, "one YAML document")]
    [InlineData("? [a, b]\n: 1", 1, "a key must be a single word")]
    public void A_document_that_no_recipe_can_be_is_refused(string text, int line, string cause)
    {
        var (recipe, errors) = RecipeReader.TryRead(text);

        Assert.Null(recipe);
        Assert.Contains(errors, error => error.Line == line && error.Message.Contains(cause, StringComparison.Ordinal));
    }

    [Fact]
    public void Depth_is_bounded()
    {
        var (_, errors) = RecipeReader.TryRead(new string('[', 100_000));

        Assert.Contains("nested deeper than 20 levels", Assert.Single(errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Size_is_bounded()
    {
        var (_, errors) = RecipeReader.TryRead(Good + "\n#" + new string('x', RecipeLimits.Bytes));

        Assert.Contains("larger than 1 MiB", Assert.Single(errors).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void No_damage_to_the_text_does_more_than_being_refused()
    {
        var damage =
            from at in Gen.Choose(0, Good.Length - 1)
            from cut in Gen.Choose(0, Good.Length - at)
            from put in Gen.Elements("", ":", "{", "]", "- ", "\"", "\n", "&a ", "*a", "!", "|", "\u0000", "%", "? ", "1e5")
            select Good.Remove(at, cut).Insert(at, put);

        Check.QuickThrowOnFailure(Prop.ForAll(damage.ToArbitrary(), text =>
        {
            var (recipe, errors) = RecipeReader.TryRead(text);
            return (recipe is null) == (errors.Count > 0);
        }));
    }

    private static void AssertFault(string part, string wrong, int line, string path, string cause)
    {
        Assert.Contains(part, Good, StringComparison.Ordinal);

        var (recipe, errors) = RecipeReader.TryRead(Good.Replace(part, wrong));

        Assert.Null(recipe);
        Assert.Contains(errors, error => error.Line == line && error.Path == path && error.Message.Contains(cause, StringComparison.Ordinal));
    }
}
