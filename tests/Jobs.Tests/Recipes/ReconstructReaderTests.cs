using System.Text.Json;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

public sealed class ReconstructReaderTests
{
    [Theory]
    [InlineData("adaround", Granularity.Layer, 10_000)]
    [InlineData("brecq", Granularity.Block, 20_000)]
    public void Defaults_are_those_of_the_reference(string method, Granularity granularity, int iterations)
    {
        var step = Read($"{{method: {method}, bits: 2}}");

        Assert.Equal(
            new ReconstructStep(method, 2)
            {
                Granularity = granularity, Iterations = iterations, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric, ActivationBits = 32,
                Inputs = ReconstructionInputs.Quantized, Loss = ReconstructionLoss.Mse, Batch = 32, Rate = 1e-3, Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
                Activations = ActivationTuning.TwoPhase, ActivationIterations = 5_000, ActivationRate = 4e-5, Drop = null, Damping = 1e-4,
            },
            step);
        Assert.True(step.Quantizes);
    }

    [Fact]
    public void Every_key_is_read() => Assert.Equal(
        new ReconstructStep("brecq", 3)
        {
            Grid = GridKind.MinMax, Scheme = QuantizationScheme.Symmetric, Granularity = Granularity.Stage, Iterations = 7, Batch = 8, Rate = 0.5, Lambda = 0.1, FirstBeta = 10, LastBeta = 1,
            Warmup = 0, Inputs = ReconstructionInputs.Unquantized, Loss = ReconstructionLoss.Fisher, ActivationBits = 4, Activations = ActivationTuning.Joint, ActivationRate = 0.25, Drop = 0.5, Damping = 0,
        },
        Read("""
            {method: brecq, bits: 3, grid: minmax, scheme: symmetric, granularity: stage, iterations: 7, batch: 8, rate: 0.5, lambda: 0.1, beta: [10, 1], warmup: 0, inputs: float,
            loss: fisher, activation_bits: 4, activations: joint, activation_rate: 0.25, drop: 0.5, damping: 0}
            """.ReplaceLineEndings(" ")));

    [Fact]
    public void Elements_are_dropped_while_both_are_learned() =>
        Assert.Equal(ActivationTuning.Joint, Read("{method: brecq, bits: 4, activation_bits: 4, drop: 0.5}").Activations);

    [Fact]
    public void Step_sizes_by_themselves_have_iterations_of_their_own() =>
        Assert.Equal(9, Read("{method: brecq, bits: 4, activation_bits: 4, activations: two-phase, activation_iterations: 9}").ActivationIterations);

    [Theory]
    [InlineData("mse", ReconstructionLoss.Mse)]
    [InlineData("fisher", ReconstructionLoss.Fisher)]
    [InlineData("fisher-original", ReconstructionLoss.FisherOriginal)]
    public void A_loss_is_one_of_three(string word, ReconstructionLoss expected) => Assert.Equal(expected, Read($"{{method: brecq, bits: 3, loss: {word}}}").Loss);

    [Theory]
    [InlineData("loss: huber", "mse, fisher, fisher-original")]
    [InlineData("activation_bits: 33", "whole number from 2 to 32")]
    [InlineData("activation_bits: 9", "2 to 8, or 32")]
    [InlineData("drop: 0.5", "activations stay in float")]
    [InlineData("activations: joint", "activations stay in float")]
    [InlineData("activation_bits: 32, activation_rate: 1e-4", "activations stay in float")]
    [InlineData("activation_bits: 4, activations: two-phase, drop: 0.5", "activations: joint")]
    [InlineData("activation_bits: 4, activations: joint, activation_iterations: 9", "activations: two-phase")]
    [InlineData("activation_bits: 4, drop: 0.5, activation_iterations: 9", "activations: two-phase")]
    [InlineData("activation_bits: 4, activations: both", "two-phase, joint")]
    [InlineData("activation_bits: 4, activation_rate: 0", "above 0")]
    [InlineData("activation_bits: 4, drop: 1", "below 1")]
    [InlineData("beta: [2, 20]", "falls")]
    [InlineData("beta: [20]", "falls")]
    [InlineData("lambda: 0", "above 0")]
    [InlineData("warmup: 1", "below 1")]
    [InlineData("iterations: 0", "whole number from 1")]
    [InlineData("granularity: cell", "layer, block, stage, net")]
    public void What_makes_no_sense_is_named(string keys, string expected)
    {
        var (recipe, errors) = RecipeReader.TryRead(Text($"{{method: brecq, bits: 4, {keys}}}"));

        Assert.Null(recipe);
        Assert.Contains(expected, Assert.Single(errors).ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("", null)]
    [InlineData("first_last_bits: same", FirstLastBits.Same)]
    [InlineData("first_last_bits: 8", FirstLastBits.Eight)]
    public void Bits_of_the_first_and_last_layer_are_left_to_the_method_where_nothing_is_said(string line, FirstLastBits? expected) =>
        Assert.Equal(expected, RecipeReader.Read(Text("{method: obq, bits: 4}") + line + "\n").FirstLastBits);

    [Fact]
    public void The_schema_has_the_same_defaults()
    {
        using var schema = JsonDocument.Parse(RecipeReader.Schema);
        foreach (var step in schema.RootElement.GetProperty("properties").GetProperty("compress").GetProperty("items").GetProperty("oneOf").EnumerateArray().Select(s => s.GetProperty("properties")))
        {
            if (step.GetProperty("method").GetProperty("const").GetString() is not ("adaround" or "brecq") and var method)
                continue;
            method = step.GetProperty("method").GetProperty("const").GetString();
            var keys = step.EnumerateObject().Where(p => p.Value.TryGetProperty("default", out _)).Select(p => $"{p.Name}: {p.Value.GetProperty("default").GetRawText()}");
            // What only counts with activations needs their bits beside it.
            var written = string.Join(", ", keys.Where(k => !k.StartsWith("activation_", StringComparison.Ordinal)));
            Assert.Equal(Read($"{{method: {method}, bits: 4}}"), Read($"{{method: {method}, bits: 4, {written}}}"));
            var (iterations, rate) = (step.GetProperty("activation_iterations").GetProperty("default").GetInt32(), step.GetProperty("activation_rate").GetProperty("default").GetDouble());
            Assert.Equal((iterations, rate), (Read($"{{method: {method}, bits: 4}}").ActivationIterations, Read($"{{method: {method}, bits: 4}}").ActivationRate));
        }
    }

    private static string Text(string step) => $"model: m.onnx\ndata: {{calibration: {{file: c.npz}}}}\ncompress: [{step}]\n";

    private static ReconstructStep Read(string step) => Assert.IsType<ReconstructStep>(Assert.Single(RecipeReader.Read(Text(step)).Compress));
}
