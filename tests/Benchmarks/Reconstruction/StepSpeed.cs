using System.Globalization;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Benchmarks.Reconstruction;

/// <summary>
/// <c>step-speed [RUNS] [PART]</c>, of the blocks whose name has the part: milliseconds of whole training steps (minibatch read, soft weights, forward, gradients, penalty, Adam) of blocks, 32 samples each, beside
/// what their operations would take at the speed of one large product in the same run; and forward and backward of one block alone. Processor time of the one thread, least and median: other work on
/// the machine distorts it less than the clock's. <c>step-speed profile NAME PREFIX</c> writes the time of every node of one block's step as the runtime's JSON.
/// </summary>
internal static class StepSpeed
{
    private const int Batch = 32;
    private const int Samples = 64;
    private const int Bits = 4;
    private const int ProductSize = 1024;

    private static readonly TimedBlock[] s_blocks =
    [
        TimedBlock.Residual(64, 64, 1, 28), TimedBlock.Residual(24, 24, 1, 28), TimedBlock.Residual(24, 48, 2, 28), TimedBlock.Residual(48, 48, 1, 14),
        TimedBlock.Residual(48, 96, 2, 14), TimedBlock.Residual(96, 96, 1, 7), TimedBlock.Inverted(16, 64, 28), TimedBlock.Inverted(24, 96, 14),
        TimedBlock.Inverted(32, 128, 7), TimedBlock.Inverted(16, 64, 28, 2), TimedBlock.Transformer(256, 4, 64),
    ];

    public static void Run(string[] args)
    {
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        var runtime = new ModelRuntime(environment);
        if (args is ["profile", var name, var prefix])
        {
            Profile(runtime, s_blocks.Single(b => b.Name == name), prefix);
            return;
        }

        var runs = args is [var given, ..] ? int.Parse(given, CultureInfo.InvariantCulture) : 20;
        var part = args is [_, var wanted, ..] ? wanted : "";
        var product = Milliseconds(runtime, Product(), runs);
        var peak = 2.0 * ProductSize * ProductSize * ProductSize / product[0] / 1e6;
        Say($"a product of {ProductSize}^3: {peak:0} GFLOP/s");
        void Report(string name, List<double> took, double operations)
        {
            var floor = operations * Batch / peak / 1e6;
            Say($"{name,-28} least {took[0],6:0.0} ms, median {took[runs / 2],6:0.0} ms, {1000 / took[0],6:0.0} steps a second, {took[0] / floor:0.00} of the floor of {floor:0.0} ms");
        }
        foreach (var block in s_blocks.Where(b => b.Name.Contains(part, StringComparison.Ordinal)))
            Report(block.Name, Steps(runtime, block, runs), block.Operations);
        if (ForwardBackward.Name.Contains(part, StringComparison.Ordinal))
            Report(ForwardBackward.Name, Milliseconds(runtime, ForwardBackward.Graph(Batch), runs), ForwardBackward.Operations);
    }

    private static List<double> Steps(ModelRuntime runtime, TimedBlock block, int runs)
    {
        var (graph, start) = Graph(block);
        using var runner = new StepRunner(runtime, graph, start, Batch);
        using var options = new RunOptions(CancellationToken.None);
        var random = new Random(2);
        var held = graph.Inputs.Select(input => Filled(random, (int)(Samples * input.Shape.Aggregate(1L, (a, d) => a * d)))).ToList();
        var minibatch = new int[Batch];
        var took = new List<double>();
        for (var step = 1; step <= runs + 2; step++)
        {
            var began = Environment.CpuUsage.TotalTime;
            StepDraws.Minibatch(1, step, Samples, minibatch);
            foreach (var (input, samples) in graph.Inputs.Zip(held))
                for (var i = 0; i < Batch; i++)
                    samples.AsSpan(minibatch[i] * (samples.Length / Samples), samples.Length / Samples).CopyTo(runner.Input(input)[(i * (samples.Length / Samples))..]);
            var (first, second) = ReconstructionGraph.Adam.Corrections(step);
            runner.Run(
                options, (ReconstructionGraph.Rate, 1e-3), (ReconstructionGraph.Beta, 10), (ReconstructionGraph.PenaltyWeight, 0.01),
                (Onnx.Gradients.TrainingStep.Correction1, first), (Onnx.Gradients.TrainingStep.Correction2, second));
            took.Add((Environment.CpuUsage.TotalTime - began).TotalMilliseconds);
        }

        return [.. took.Skip(2).Order()];
    }

    private static (ReconstructionGraph Graph, Dictionary<string, float[]> Start) Graph(TimedBlock block)
    {
        var partition = ModelPartition.Of(block.Model);
        var boundary = GroupBoundary.Of(block.Model, partition, [.. partition.Layers.Select(l => l.Name)]);
        SoftRounding[] roundings = [.. partition.Layers.Select(Rounding)];
        var graph = ReconstructionGraph.Build(block.Model, boundary, [.. partition.Layers.Zip(roundings, (layer, r) => (layer.Name, r))], [], new StepShape(Batch));
        return (graph, graph.Rounded.Zip(roundings).ToDictionary(r => r.First, r => r.Second.Start()));
    }

    private static SoftRounding Rounding(Layer layer)
    {
        var weights = Matrix<float>.FromRows(LayerMatrix.Read(layer), layer.Rows, layer.Columns);
        return new SoftRounding(weights, GridFit.Rows(weights, Bits, GridKind.MinMax, QuantizationScheme.Asymmetric), keepsZeros: false);
    }

    private static OnnxModel Product()
    {
        var builder = new GraphBuilder(17);
        var (a, b) = (builder.Input("a", Onnx.ElementType.Float32, ProductSize, ProductSize), builder.Input("b", Onnx.ElementType.Float32, ProductSize, ProductSize));
        builder.Output(builder.MatMul(a, b));
        return builder.Build();
    }

    private static void Profile(ModelRuntime runtime, TimedBlock block, string prefix)
    {
        var options = runtime.Options();
        options.ProfilePrefix = prefix;
        using var session = Session.FromBytes(runtime.Environment, Graph(block).Graph.Step.Model.ToBytes(), options);
        Milliseconds(session, 20);
    }

    private static List<double> Milliseconds(ModelRuntime runtime, OnnxModel model, int runs)
    {
        using var session = runtime.Open(model);
        return Milliseconds(session, runs);
    }

    private static List<double> Milliseconds(Session session, int runs)
    {
        var random = new Random(1);
        string[] names = [.. session.Inputs.Select(i => i.Name)];
        OrtValue[] values = [.. session.Inputs.Select(i => Value(random, [.. i.Shape]))];
        string[] outputs = [.. session.Outputs.Select(o => o.Name)];
        var took = new List<double>();
        for (var run = 0; run < runs + 2; run++)
        {
            var began = Environment.CpuUsage.TotalTime;
            session.Run(names, values, outputs).Dispose();
            took.Add((Environment.CpuUsage.TotalTime - began).TotalMilliseconds);
        }

        foreach (var value in values)
            value.Dispose();
        return [.. took.Skip(2).Order()];
    }

    private static OrtValue Value(Random random, long[] shape)
    {
        var value = OrtValue.Allocate(OnnxRuntime.ElementType.Float, shape);
        Filled(random, value.AsSpan<float>().Length).CopyTo(value.AsSpan<float>());
        return value;
    }

    private static float[] Filled(Random random, int count)
    {
        var values = new float[count];
        foreach (ref var value in values.AsSpan())
            value = random.NextSingle();
        return values;
    }

    private static void Say(FormattableString text) => Console.WriteLine(FormattableString.Invariant(text));
}
