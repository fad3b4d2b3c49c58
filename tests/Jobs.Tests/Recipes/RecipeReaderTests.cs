using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

public sealed class RecipeReaderTests
{
    private const string Smallest = """
        model: m.onnx
        data: {calibration: {file: c.npz}}
        compress: [{method: obq, bits: 4}]
        """;

    [Fact]
    public void The_smallest_recipe_gets_every_default()
    {
        var recipe = RecipeReader.Read(Smallest);

        Assert.Equal("m.onnx", recipe.Model);
        Assert.Equal(new CalibrationData("c.npz", null), recipe.Data.Calibration);
        Assert.Null(recipe.Data.Evaluation);
        Assert.Equal(1, recipe.Data.Preprocess.Scale);
        Assert.Empty(recipe.Data.Preprocess.Mean);
        Assert.Equal(new ObqStep(4, GridKind.Mse, QuantizationScheme.Asymmetric) { Damping = CompressStep.DefaultDamping }, Assert.Single(recipe.Compress));
        Assert.Equal(BatchNormMode.Fold, recipe.BatchNorm);
        Assert.Equal(0, recipe.Seed);
        Assert.Equal("out", recipe.OutputFolder);
        Assert.Empty(recipe.Layers);
    }

    [Fact]
    public void Every_key_is_read()
    {
        var recipe = RecipeReader.Read("""
            # a comment
            version: 1
            model: nets/m.onnx
            data:
              calibration: {file: c.npz, samples: 1024}
              evaluation:  {file: t.npz, metric: top5}
              preprocess:  {scale: 0.5, mean: [0.25, -1], std: [1e-1, 2]}
            compress:
              - {method: exact-obs, sparsity: 0.7, select: sort, damping: 0}
              - {method: nm, pattern: "2:4"}
              - method: block
                size: 4
                sparsity: 0.5
              - {method: rtn, bits: 3, grid: minmax, scheme: symmetric, damping: 1e-2}
            layers:
              - {match: "/fc/Gemm", bits: 8}
              - {match: "/stem/*", skip: true}
              - {match: /conv\d+$/, sparsity: 0.25}
            batch_norm: keep
            correct: []
            first_last_bits: same
            seed: -7
            output: {folder: results/one}
            """);

        Assert.Equal("nets/m.onnx", recipe.Model);
        Assert.Equal(new CalibrationData("c.npz", 1024), recipe.Data.Calibration);
        Assert.Equal(new EvaluationData("t.npz", "top5"), recipe.Data.Evaluation);
        Assert.Equal(0.5, recipe.Data.Preprocess.Scale);
        Assert.Equal([0.25, -1], recipe.Data.Preprocess.Mean);
        Assert.Equal([0.1, 2], recipe.Data.Preprocess.Std);
        Assert.Equal(
            [
                new ExactObsStep(0.7, MaskSelection.Sort) { Damping = 0 },
                new NmStep(2, 4),
                new BlockStep(4, 0.5),
                new RtnStep(3, GridKind.MinMax, QuantizationScheme.Symmetric) { Damping = 0.01 },
            ],
            recipe.Compress);
        Assert.Equal(
            [
                new LayerRule("/fc/Gemm") { Bits = 8 },
                new LayerRule("/stem/*") { Skip = true },
                new LayerRule(@"/conv\d+$/") { Sparsity = 0.25 },
            ],
            recipe.Layers);
        Assert.Equal(BatchNormMode.Keep, recipe.BatchNorm);
        Assert.Equal(-7, recipe.Seed);
        Assert.Equal("results/one", recipe.OutputFolder);
    }

    [Fact]
    public void Evaluation_without_a_metric_means_cosine() =>
        Assert.Equal("cosine", RecipeReader.Read(Smallest.Replace("{file: c.npz}", "{file: c.npz}, evaluation: {file: t.npz}")).Data.Evaluation!.Metric);

    [Fact]
    public void All_faults_are_told_at_once_in_order_of_lines()
    {
        var (recipe, errors) = RecipeReader.TryRead("""
            modle: m.onnx
            data: {calibration: {file: c.npz, samples: 0}}
            compress:
              - {method: obq, bits: 9}
              - {method: obs, sparsity: 0.5}
            batch_norm: folded
            """);

        Assert.Null(recipe);
        Assert.Equal([1, 1, 2, 4, 5, 6], errors.Select(error => error.Line));
        Assert.Equal(
            ["model", "modle", "data.calibration.samples", "compress[0].bits", "compress[1].method", "batch_norm"],
            errors.OrderBy(error => error.Line).ThenBy(error => error.Path, StringComparer.Ordinal).Select(error => error.Path));
    }

    [Fact]
    public void The_exception_carries_every_fault_and_a_remedy()
    {
        var thrown = Assert.Throws<InputException>(() => RecipeReader.Read("model: m.onnx\ncompress: [{method: obq, bits: 1}]\n"));

        Assert.Equal("recipe-invalid", thrown.Code);
        Assert.Equal("data, compress[0].bits", thrown.Subject);
        Assert.Contains("line 1, data: this key is required", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("line 2, compress[0].bits: expected a whole number from 2 to 8, found '1'", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("--schema", thrown.Remedy, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("version: 2")]
    [InlineData("budget: {time: 2h}")]
    public void What_only_a_newer_version_can_do_is_named_as_such(string line)
    {
        var thrown = Assert.Throws<InputException>(() => RecipeReader.Read(Smallest + "\n" + line));

        Assert.Equal("recipe-too-new", thrown.Code);
        Assert.Contains("not available in this version", thrown.Message, StringComparison.Ordinal);
        Assert.Contains("line 4, " + line.Split(':')[0], thrown.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("{method: quantize, weights: {bits: 8, scheme: symmetric}}")]
    public void Steps_of_a_newer_version_are_named_as_such(string step)
    {
        var thrown = Assert.Throws<InputException>(() => RecipeReader.Read(Smallest.Replace("{method: obq, bits: 4}", step)));

        Assert.Equal("recipe-too-new", thrown.Code);
        Assert.Contains("not available in this version", thrown.Message, StringComparison.Ordinal);
        Assert.StartsWith("compress[0].", thrown.Subject, StringComparison.Ordinal);
    }
}
