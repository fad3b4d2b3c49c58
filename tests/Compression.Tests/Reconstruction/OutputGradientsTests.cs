using System.Runtime.InteropServices;
using System.Text;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit.Interpreting;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>What weights a group's loss (algorithms.md 3.6), on a network of three convolutions and a classifier that an interpreter runs in double.</summary>
public sealed class OutputGradientsTests : IDisposable
{
    // Step of the central differences, whose own error is of the order of its square.
    private const double Step = 1e-4;

    // Gradients in float32 through two convolutions and a softmax, relative to the largest.
    private const double Tolerance = 1e-4;

    // Sums of float32 weights and squares against double.
    private const double LossTolerance = 1e-5;

    private const int Samples = 7;

    // Leaves a rest.
    private const int Batch = 5;

    private const int Size = 5;
    private const int Channels = 3;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);
    private readonly string _path = Path.GetTempFileName();

    private ModelRuntime Runtime => new(_environment);

    public void Dispose()
    {
        _environment.Dispose();
        File.Delete(_path);
    }

    [Theory]
    [InlineData("logits", 4)]
    [InlineData("softmax", 4)]
    [InlineData("logits", 1)]
    public async Task Gradients_are_those_of_central_differences(string end, int classes)
    {
        var model = Network(end, classes);
        var boundary = SecondOf(model);
        using var shard = await CaptureAsync(model, Quantized(model), boundary);
        var floats = Logits(model, Values(model));
        var from = Values(Quantized(model));
        var rest = Rest(model, boundary.Output);
        var expected = new List<double>();
        for (var sample = 0; sample < Samples; sample++)
        {
            var start = Slice(from[boundary.Output], sample);
            for (var i = 0; i < start.Values.Length; i++)
            {
                double At(double step) => Cost(Logits(rest, DoubleInterpreter.Run(rest, Moved(start, i, step))).Values, Slice(floats, sample).Values);
                expected.Add((At(Step) - At(-Step)) / (2 * Step));
            }
        }

        var tolerance = Tolerance * expected.Max(Math.Abs);
        Assert.True(tolerance > 0);
        Assert.All(Read(shard, boundary.Gradient!).Zip(expected), pair => Assert.InRange(pair.First - pair.Second, -tolerance, tolerance));
    }

    [Fact]
    public async Task Weights_are_one_in_a_samples_mean_and_the_loss_is_weighted_with_them()
    {
        var model = Network("logits", 4);
        var boundary = SecondOf(model);
        var quantized = Quantized(model);
        using var shard = await CaptureAsync(model, quantized, boundary);
        var gradients = Read(shard, boundary.Gradient!).Select(g => (double)g * g).ToArray();
        double[] weights = [.. gradients.Chunk(gradients.Length / Samples).SelectMany(sample => sample.Select(g => (g / sample.Average() + 0.1) / 1.1))];
        var source = WeightedActivations.Of(new ShardedActivations([shard]), boundary, ReconstructionLoss.Fisher);
        Assert.All(
            Read(shard.ElementsOf, source.Read, boundary.Gradient!).Chunk(gradients.Length / Samples),
            sample => Assert.InRange(sample.Average(), 1 - LossTolerance, 1 + LossTolerance));

        var (wanted, given) = (Values(model)[boundary.Output].Values, Values(quantized)[boundary.Output].Values);
        var expected = wanted.Zip(given, (a, b) => (a - b) * (a - b)).Zip(weights, (square, weight) => square * weight).Sum() / Samples / (Size * Size);
        var loss = GroupLoss.Of(Runtime, quantized, ModelPartition.Of(model), boundary, source, Batch, CancellationToken.None);
        Assert.InRange(loss, expected * (1 - LossTolerance), expected * (1 + LossTolerance));
    }

    [Fact]
    public async Task Where_nothing_is_quantized_there_is_no_gradient_and_all_elements_count_alike()
    {
        var model = Network("logits", 4);
        var boundary = SecondOf(model);
        using var shard = await CaptureAsync(model, model, boundary);

        Assert.All(Read(shard, boundary.Gradient!), g => Assert.InRange(g, -Tolerance, Tolerance));
        var source = WeightedActivations.Of(new ShardedActivations([shard]), boundary, ReconstructionLoss.FisherOriginal);
        Assert.All(Read(shard.ElementsOf, source.Read, boundary.Gradient!), w => Assert.InRange(w, 1 - LossTolerance, 1 + LossTolerance));
    }

    [Fact]
    public async Task What_has_no_gradient_behind_the_group_is_named_and_all_elements_count_alike()
    {
        var model = Network("softplus", 4);
        var boundary = SecondOf(model);
        var obstacle = "";
        using var shard = await CaptureAsync(model, Quantized(model), boundary, found => obstacle = found);

        Assert.Contains("Softplus", obstacle, StringComparison.Ordinal);
        Assert.All(Read(shard, boundary.Gradient!), g => Assert.Equal(0, g));
        var source = WeightedActivations.Of(new ShardedActivations([shard]), boundary, ReconstructionLoss.Fisher);
        Assert.All(Read(shard.ElementsOf, source.Read, boundary.Gradient!), w => Assert.Equal(1, w));
    }

    private async Task<ActivationShard> CaptureAsync(OnnxModel model, OnnxModel prefix, GroupBoundary boundary, Action<string?>? obstacle = null)
    {
        using var file = DataFile.FromMemory(Npy(), "data");
        await using (var stream = File.Create(_path))
        {
            var found = await ActivationCapture.RunAsync(
                Runtime, model, prefix, boundary, file, new Preprocess(), new SampleWindow(0, Samples, Batch), piece => stream.WriteAsync(piece).AsTask());
            if (obstacle is null)
                Assert.Null(found);
            obstacle?.Invoke(found);
        }

        return ActivationShard.Open(_path);
    }

    /// <summary>−Σ p·log q or ½·Σ d².</summary>
    private static double Cost(double[] logits, double[] target)
    {
        if (logits.Length == 1)
            return (logits[0] - target[0]) * (logits[0] - target[0]) / 2;
        var (sumOfLogits, sumOfTarget) = (logits.Sum(Math.Exp), target.Sum(Math.Exp));
        return -logits.Zip(target, (l, t) => Math.Exp(t) / sumOfTarget * (l - Math.Log(sumOfLogits))).Sum();
    }

    private static OnnxModel Network(string end, int classes)
    {
        var random = new Random(7);
        var b = new GraphBuilder(15);
        string Weights(params long[] shape) => b.Constant(Tensor.FromFloats("w", shape, [.. Enumerable.Range(0, DoubleTensor.Count(shape)).Select(_ => (float)(2 * random.NextDouble() - 1))]));
        string Conv(string x, long channels) => b.Add("Conv", [x, Weights(Channels, channels, 3, 3)], NodeAttribute.Ints("pads", 1, 1, 1, 1));
        b.Input("x", ElementType.Float32, -1, 1, Size, Size);
        var first = b.Add("Relu", [Conv("x", 1)]);
        var second = b.Add("Relu", [Conv(first, Channels)]);
        var third = b.Add(end == "softplus" ? "Softplus" : "Relu", [b.Binary("Add", Conv(second, Channels), second)]);
        var logits = b.Gemm(b.Add("Flatten", [b.Add("GlobalAveragePool", [third])]), Weights(classes, Channels), transB: true);
        b.Output(end == "softmax" ? b.Add("Softmax", [logits], NodeAttribute.Int("axis", -1)) : logits, "y", ElementType.Float32, [-1, classes]);
        return ModelPreparation.Prepare(b.Build(), BatchNormMode.Fold);
    }

    private static GroupBoundary SecondOf(OnnxModel model)
    {
        var partition = ModelPartition.Of(model);
        return GroupBoundary.Of(model, partition, [partition.Layers[1].Name]).For(ReconstructionLoss.Fisher);
    }

    private static OnnxModel Quantized(OnnxModel model)
    {
        var copy = model.Clone();
        foreach (var layer in ModelPartition.Of(copy).Layers.Take(2))
            NearestCodes.Write(layer, 2, GridKind.MinMax, QuantizationScheme.Asymmetric, keepsZeros: false);
        return copy;
    }

    private static DoubleTensor Logits(OnnxModel model, IReadOnlyDictionary<string, DoubleTensor> values) => values[model.Graph.Nodes.Single(n => n.OpType == "Gemm").Output];

    /// <summary>What follows a value.</summary>
    private static OnnxModel Rest(OnnxModel model, string value)
    {
        var copy = model.Clone();
        copy.Graph.AddInput(new GraphValue("moved", ElementType.Float32, [1, Channels, Size, Size]));
        copy.Graph.ReplaceUses(value, "moved");
        var builder = GraphBuilder.Extract(copy, copy.Graph.Outputs[0].Name);
        builder.Output(copy.Graph.Outputs[0].Name);
        return builder.Build();
    }

    private static Dictionary<string, DoubleTensor> Moved(DoubleTensor start, int element, double step) =>
        new() { ["moved"] = start with { Values = [.. start.Values.Select((v, i) => i == element ? v + step : v)] } };

    private static IReadOnlyDictionary<string, DoubleTensor> Values(OnnxModel model) =>
        DoubleInterpreter.Run(model, new Dictionary<string, DoubleTensor> { ["x"] = new([Samples, 1, Size, Size], [.. Data().Select(v => (double)v)]) });

    private static DoubleTensor Slice(DoubleTensor tensor, int sample)
    {
        var elements = tensor.Values.Length / Samples;
        return new DoubleTensor([1, .. tensor.Shape.Skip(1)], tensor.Values[(sample * elements)..((sample + 1) * elements)]);
    }

    private static float[] Read(ActivationShard shard, string value) => Read(shard.ElementsOf, shard.Read, value);

    private static float[] Read(Func<string, int> elementsOf, Reader read, string value)
    {
        var elements = elementsOf(value);
        var values = new float[Samples * elements];
        for (var i = 0; i < Samples; i++)
            read(i, value, values.AsSpan(i * elements, elements));
        return values;
    }

    private static float[] Data()
    {
        var random = new Random(11);
        return [.. Enumerable.Range(0, Samples * Size * Size).Select(_ => (float)(2 * random.NextDouble() - 1))];
    }

    private static byte[] Npy()
    {
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': ({Samples}, 1, {Size}, {Size}), }}".PadRight(117) + "\n";
        return [0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0, .. Encoding.ASCII.GetBytes(header), .. MemoryMarshal.AsBytes(Data().AsSpan())];
    }

    private delegate void Reader(int sample, string value, Span<float> into);
}
