using Orchestrator.Compression.Corrections;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests.Corrections;

/// <summary>Two batch norms behind one another, retuned by units and by the loop that the original runs.</summary>
public sealed class BatchNormRetuningTests : IDisposable
{
    private const int Samples = 24;
    private const int Batch = 8;
    private const int Channels = 2;
    private const int Pixels = 6;
    private const int Updates = 100;
    private const double Momentum = 0.1;
    private const string FirstNorm = "BatchNormalization";
    private const string SecondNorm = "BatchNormalization_1";
    private const float Epsilon = 1e-3f;

    /// <summary>Float32 activations of order 1 through two layers against double.</summary>
    private const double Tolerance = 1e-5;

    private static readonly float[] s_samples = CorrectionHarness.Random(Samples * Channels * Pixels, 3);
    private static readonly float[] s_first = [0.9f, -0.4f, 1.7f, 0.3f];
    private static readonly float[] s_second = [-0.8f, 1.1f, 0.6f, 0.7f];
    private static readonly float[] s_gamma = [1.3f, -0.7f];
    private static readonly float[] s_beta = [0.2f, -0.1f];

    private readonly CorrectionHarness _harness = new(s_samples, Samples, Channels, Pixels, 1);

    private static SiteRef[] Sites => [CorrectionHarness.Site(FirstNorm, Channels), CorrectionHarness.Site(SecondNorm, Channels)];

    public void Dispose() => _harness.Dispose();

    [Theory]
    [InlineData(9)]
    [InlineData(15)]
    [InlineData(21)]
    public void A_hundred_updates_are_those_of_training_batch_by_batch(int opset)
    {
        var model = Model(opset);
        var moments = _harness.Measure(model, Sites, Batch, training: true);
        var result = ChannelCorrections.BatchNorms(model, Sites, moments, Updates);
        var expected = Train();

        Assert.Equal(expected.Length, result.Values.Length);
        Assert.All(expected.Zip(result.Values), pair => Assert.Equal(pair.First, pair.Second, Tolerance));
        Assert.Equal([FirstNorm, SecondNorm], result.Sites.Select(site => site.Node));
        Assert.All(result.Sites, site => Assert.True(site.Shift > 0 && site.Scale > 0 && site.Kind == Correction.BatchNorm));
    }

    [Fact]
    public void Retuned_statistics_are_what_the_model_then_normalizes_with()
    {
        var model = Model(15);
        var values = Train();

        CorrectedModel.Apply(model, new AppliedCorrection(Correction.BatchNorm, Sites), values);

        var norm = model.Graph.FindNode(SecondNorm)!;
        Assert.Equal(values[4..6].Select(v => (float)v), model.Graph.Initializer(norm.Inputs[3])!.ReadFloats());
        Assert.Equal(values[6..].Select(v => (float)v), model.Graph.Initializer(norm.Inputs[4])!.ReadFloats());
        Assert.Equal(s_gamma, model.Graph.Initializer(norm.Inputs[1])!.ReadFloats());
        // Both norms read the same initializers before; now each has its own.
        Assert.NotEqual(model.Graph.FindNode(FirstNorm)!.Inputs[3], norm.Inputs[3]);
    }

    /// <summary>conv 1×1 → norm → relu → conv 1×1 → norm; both norms share their parameters.</summary>
    private static OnnxModel Model(int opset)
    {
        var builder = new GraphBuilder(opset);
        builder.Input("x", ElementType.Float32, -1, Channels, Pixels, 1);
        string[] parameters = [Vector("gamma", s_gamma), Vector("beta", s_beta), Vector("mean", [5, 5]), Vector("var", [9, 9])];
        var first = Norm(Conv("x", s_first));
        builder.Output(Norm(Conv(builder.Add("Relu", [first]), s_second)));
        return builder.Build();

        string Vector(string name, float[] values) => builder.Constant(Tensor.FromFloats(name, [Channels], values));
        string Conv(string x, float[] weight) => builder.Add("Conv", [x, builder.Constant(Tensor.FromFloats("w", [Channels, Channels, 1, 1], weight))]);
        string Norm(string x) => builder.Add("BatchNormalization", [x, .. parameters], NodeAttribute.Float("epsilon", Epsilon));
    }

    private static double[] Train()
    {
        double[] running = [0, 0, 1, 1, 0, 0, 1, 1];
        for (var update = 0; update < Updates; update++)
        {
            var batch = Enumerable.Range(update * Batch % Samples, Batch).SelectMany(n => Enumerable.Range(0, Pixels).Select(p => Pixel(n, p))).ToArray();
            batch = Norm(Mix(batch, s_first), running.AsSpan(0, 4));
            batch = [.. batch.Select(x => x.Select(v => Math.Max(v, 0)).ToArray())];
            Norm(Mix(batch, s_second), running.AsSpan(4, 4));
        }

        return running;
    }

    private static double[] Pixel(int sample, int pixel) => [.. Enumerable.Range(0, Channels).Select(c => (double)s_samples[(((sample * Channels) + c) * Pixels) + pixel])];

    private static double[][] Mix(double[][] x, float[] weight) =>
        [.. x.Select(v => Enumerable.Range(0, Channels).Select(o => Enumerable.Range(0, Channels).Sum(i => weight[(o * Channels) + i] * v[i])).ToArray())];

    private static double[][] Norm(double[][] x, Span<double> running)
    {
        var (means, variances) = (new double[Channels], new double[Channels]);
        for (var c = 0; c < Channels; c++)
        {
            means[c] = x.Average(v => v[c]);
            variances[c] = x.Average(v => (v[c] - means[c]) * (v[c] - means[c]));
            running[c] = ((1 - Momentum) * running[c]) + (Momentum * means[c]);
            running[Channels + c] = ((1 - Momentum) * running[Channels + c]) + (Momentum * variances[c] * x.Length / (x.Length - 1));
        }

        return [.. x.Select(v => v.Select((value, c) => (s_gamma[c] * (value - means[c]) / Math.Sqrt(variances[c] + Epsilon)) + s_beta[c]).ToArray())];
    }
}
