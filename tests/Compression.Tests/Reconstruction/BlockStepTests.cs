using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>algorithms.md 3.9: steps of the runtime on a whole block against an independent reference in double.</summary>
public sealed class BlockStepTests : IDisposable
{
    // As the issue asks: of roundings absolute, of losses and moments relative where they are above 1.
    private const double Tolerance = 1e-5;

    private const int Batch = 4;
    // As many as make the 3 × 3 convolution one by minimal filtering.
    private const int Channels = 24;
    private const int Bits = 3;
    private const double Beta = 8;
    private const double Lambda = 0.01;
    private const double Rate = 1e-3;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    public void Dispose() => _environment.Dispose();

    /// <summary>
    /// Convolution and ReLU, depthwise convolution and ReLU6, a third one of 1 × 1, the addition and ReLU. The depthwise one is a band of the whole image, of its
    /// rows, and of parts of them.
    /// </summary>
    [Theory]
    [InlineData(8)]
    [InlineData(9)]
    [InlineData(18)]
    public void Steps_of_a_whole_block_are_those_of_plain_loops_in_double(int side)
    {
        var random = new Random(11);
        float[] Values(int count, double spread) => [.. Enumerable.Range(0, count).Select(_ => (float)(spread * (2 * random.NextDouble() - 1)))];
        float[][] weights = [Values(Channels * Channels * 9, 0.15), Values(Channels * 9, 0.6), Values(Channels * Channels, 0.4)];
        float[][] biases = [Values(Channels, 0.3), Values(Channels, 0.3), Values(Channels, 0.3)];
        var (model, layers, boundary) = Block(weights, biases, side);
        var matrices = layers.Select(l => Matrix<float>.FromRows(LayerMatrix.Read(l), l.Rows, l.Columns)).ToList();
        SoftRounding[] roundings = [.. matrices.Select(w => new SoftRounding(w, GridFit.Rows(w, Bits, GridKind.Mse, QuantizationScheme.Asymmetric), keepsZeros: false))];
        var graph = ReconstructionGraph.Build(model, boundary, [.. layers.Zip(roundings, (l, r) => (l.Name, r))], [], new StepShape(Batch));
        Assert.Contains(graph.Step.Model.Graph.Initializers, t => t.Name.StartsWith("winograd", StringComparison.Ordinal));
        Assert.Contains(graph.Step.Model.Graph.Initializers, t => t.Name.StartsWith("band", StringComparison.Ordinal));

        var state = new Dictionary<string, float[]>();
        foreach (var (name, rounding) in graph.Rounded.Zip(roundings))
        {
            float[] start = rounding.Start();
            state[name] = [.. start.Select(v => (float)(v + random.NextDouble() - 0.5))];
            state[$"{name}.m"] = Values(start.Length, 0.1);
            // Not near 0, where an update is but a sign.
            state[$"{name}.v"] = [.. start.Select(_ => (float)(0.001 + 0.01 * random.NextDouble()))];
        }

        var reference = graph.Rounded.Select((name, i) => new ReferenceConvolution(
            roundings[i], ToDouble(biases[i]), (Batch, Channels, Channels, i == 2 ? 1 : 3, side, i == 1 ? Channels : 1),
            ToDouble(state[name]), ToDouble(state[$"{name}.m"]), ToDouble(state[$"{name}.v"]))).ToArray();
        using var runner = new StepRunner(new ModelRuntime(_environment), graph, state, Batch);
        using var options = new RunOptions();
        for (var step = 3; step < 6; step++)
        {
            var (x, target) = (Values(Batch * Channels * side * side, 1), Values(Batch * Channels * side * side, 1));
            x.CopyTo(runner.Input(graph.Inputs[0]));
            target.CopyTo(runner.Input(graph.Inputs[1]));
            var (first, second) = ReconstructionGraph.Adam.Corrections(step);
            var (loss, penalty) = runner.Run(
                options, (ReconstructionGraph.Rate, Rate), (ReconstructionGraph.Beta, Beta), (ReconstructionGraph.PenaltyWeight, Lambda),
                (TrainingStep.Correction1, first), (TrainingStep.Correction2, second));
            var (expectedLoss, expectedPenalty) = Step(reference, ToDouble(x), ToDouble(target), side, step);
            Close([expectedLoss, expectedPenalty], [(float)loss, (float)penalty], relative: true);
        }

        foreach (var (name, expected) in graph.Rounded.Zip(reference))
        {
            Close(expected.V, runner.State()[name], relative: false);
            Close(expected.M, runner.State()[$"{name}.m"], relative: true);
            Close(expected.Variance, runner.State()[$"{name}.v"], relative: true);
        }

        matrices.ForEach(matrix => matrix.Dispose());
    }

    private static (double Loss, double Penalty) Step(ReferenceConvolution[] layers, double[] x, double[] target, int side, int step)
    {
        var penalty = layers.Sum(layer => layer.Penalty(Beta));
        var first = layers[0].Forward(x);
        var second = layers[1].Forward([.. first.Select(v => Math.Max(0, v))]);
        var third = layers[2].Forward([.. second.Select(v => Math.Clamp(v, 0, 6))]);
        double[] sum = [.. third.Zip(x, (a, b) => a + b)];
        double[] error = [.. sum.Zip(target, (s, t) => Math.Max(0, s) - t)];
        double positions = Batch * side * side;
        double[] gradient = [.. error.Zip(sum, (e, s) => s > 0 ? 2 * e / positions : 0)];
        double[] Back(ReferenceConvolution layer, double[] dy) => layer.Backward(dy, Beta, Lambda, Rate, step);
        double[] ofSecond = [.. Back(layers[2], gradient).Zip(second, (g, v) => v is >= 0 and <= 6 ? g : 0)];
        double[] ofFirst = [.. Back(layers[1], ofSecond).Zip(first, (g, v) => v > 0 ? g : 0)];
        Back(layers[0], ofFirst);
        return (error.Sum(e => e * e) / positions, penalty);
    }

    private static (OnnxModel Model, Layer[] Layers, GroupBoundary Boundary) Block(float[][] weights, float[][] biases, int side)
    {
        var b = new GraphBuilder(17);
        string Convolve(string x, int layer, long kernel, long group) => b.Add(
            "Conv",
            [x, b.Constant(Tensor.FromFloats("w", [Channels, Channels / group, kernel, kernel], weights[layer])), b.Constant(Tensor.FromFloats("b", [Channels], biases[layer]))],
            NodeAttribute.Ints("pads", kernel / 2, kernel / 2, kernel / 2, kernel / 2), NodeAttribute.Int("group", group));
        var x = b.Input("x", ElementType.Float32, -1, Channels, side, side);
        var first = b.Add("Relu", [Convolve(x, 0, 3, 1)]);
        var second = b.Add("Clip", [Convolve(first, 1, 3, Channels), b.Scalar(0), b.Scalar(6)]);
        b.Output(b.Add("Relu", [b.Binary("Add", Convolve(second, 2, 1, 1), x)]), "y", ElementType.Float32, [-1, Channels, side, side]);
        var model = b.Build();
        var partition = ModelPartition.Of(model);
        Layer[] layers = [.. partition.Layers];
        return (model, layers, GroupBoundary.Of(model, partition, [.. layers.Select(l => l.Name)]));
    }

    private static void Close(double[] expected, float[] actual, bool relative)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.InRange((actual[i] - expected[i]) / (relative ? Math.Max(1, Math.Abs(expected[i])) : 1), -Tolerance, Tolerance);
    }

    private static double[] ToDouble(float[] values) => Array.ConvertAll(values, v => (double)v);
}
