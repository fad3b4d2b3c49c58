using System.Globalization;
using Orchestrator.Compression.Models;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Benchmarks.Reconstruction;

/// <summary>
/// <c>step-speed [RUNS]</c>: milliseconds of a residual block (64 channels, 28×28, batch 32, two 3×3 convolutions) forward alone, with gradients, and as a whole
/// training step with Adam; against what its operations would take at the speed of one large product in the same run. Processor time of the one thread, medians:
/// other work on the machine distorts it less than the clock's.
/// </summary>
internal static class StepSpeed
{
    private const int Batch = 32;
    private const int Channels = 64;
    private const int Side = 28;
    private const int Kernel = 3;
    private const int ProductSize = 1024;

    private static readonly long[] s_input = [Batch, Channels, Side, Side];
    private static readonly long[] s_weight = [Channels, Channels, Kernel, Kernel];

    public static void Run(string[] args)
    {
        var runs = args is [var given] ? int.Parse(given, CultureInfo.InvariantCulture) : 20;
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        var runtime = new ModelRuntime(environment);
        var product = Median(runtime, Product(), runs);
        var peak = 2.0 * ProductSize * ProductSize * ProductSize / product / 1e6;
        var forwardOperations = 2 * 2.0 * Batch * Side * Side * Channels * Channels * Kernel * Kernel;
        Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"a product of {ProductSize}³: {peak:0} GFLOP/s"));
        // The input's gradient is not asked for, so of four products backwards three are needed.
        foreach (var (name, model, operations) in new[]
                 {
                     ("forward", Forward(gradients: false), forwardOperations),
                     ("forward and backward", Forward(gradients: true), forwardOperations * 2.5),
                     ("training step", Step(), forwardOperations * 2.5),
                 })
        {
            var (took, floor) = (Median(runtime, model, runs), operations / peak / 1e6);
            Console.WriteLine(string.Create(CultureInfo.InvariantCulture, $"{name}: {took:0.0} ms, {1000 / took:0.0} a second, {took / floor:0.00} of the floor of {floor:0.0} ms"));
        }
    }

    private static OnnxModel Product()
    {
        var builder = new GraphBuilder(17);
        var (a, b) = (builder.Input("a", Onnx.ElementType.Float32, ProductSize, ProductSize), builder.Input("b", Onnx.ElementType.Float32, ProductSize, ProductSize));
        builder.Output(builder.MatMul(a, b));
        return builder.Build();
    }

    private static OnnxModel Forward(bool gradients)
    {
        var (builder, loss) = Block();
        if (gradients)
        {
            var of = Gradients.Add(builder, loss, ["w1", "w2"]);
            foreach (var (name, gradient) in of)
                builder.Output(gradient, $"{name}.gradient");
        }
        builder.Output(loss);
        return builder.Build();
    }

    private static OnnxModel Step()
    {
        var (builder, loss) = Block();
        return TrainingStep.Build(builder, loss, [new Trainable("w1", s_weight, "rate"), new Trainable("w2", s_weight, "rate")], new AdamSettings()).Model;
    }

    private static (GraphBuilder Builder, string Loss) Block()
    {
        var builder = new GraphBuilder(17);
        var (x, target) = (builder.Input("x", Onnx.ElementType.Float32, s_input), builder.Input("target", Onnx.ElementType.Float32, s_input));
        var (first, second) = (builder.Input("w1", Onnx.ElementType.Float32, s_weight), builder.Input("w2", Onnx.ElementType.Float32, s_weight));
        var inner = builder.Add("Relu", [Convolve(builder, x, first)]);
        var y = builder.Add("Relu", [builder.Binary("Add", Convolve(builder, inner, second), x)]);
        var difference = builder.Binary("Sub", y, target);
        return (builder, builder.Reduce("ReduceMean", builder.Binary("Mul", difference, difference), false, 0, 1, 2, 3));
    }

    private static string Convolve(GraphBuilder builder, string x, string weight) =>
        builder.Add("Conv", [x, weight], NodeAttribute.Ints("kernel_shape", Kernel, Kernel), NodeAttribute.Ints("pads", 1, 1, 1, 1));

    private static double Median(ModelRuntime runtime, OnnxModel model, int runs)
    {
        using var session = runtime.Open(model);
        var random = new Random(1);
        string[] names = [.. session.Inputs.Select(i => i.Name)];
        OrtValue[] values = [.. session.Inputs.Select(i => Filled(random, [.. i.Shape]))];
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
        return took.Skip(2).Order().ElementAt(runs / 2);
    }

    private static OrtValue Filled(Random random, long[] shape)
    {
        var value = OrtValue.Allocate(OnnxRuntime.ElementType.Float, shape);
        foreach (ref var element in value.AsSpan<float>())
            element = random.NextSingle() / 10;
        return value;
    }
}
