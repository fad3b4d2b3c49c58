using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit;
using Orchestrator.TestKit.Interpreting;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>The same steps on a device as on the CPU.</summary>
public sealed class WebGpuStepTests
{
    // Of a curve's points, relative, as the issue asks.
    private const double CurveTolerance = 1e-3;

    private const int Samples = 16;
    private const int Channels = 8;
    private const int Side = 6;
    private const int Inner = 16;

    /// <summary>
    /// Both ends are asserted, since machines differ: with an adapter (SwiftShader will do, infra/docs/results.md) a block is reconstructed on it; without one the runtime
    /// says what is missing.
    /// </summary>
    [Theory]
    [InlineData(ReconstructionPhase.Weights, false)]
    [InlineData(ReconstructionPhase.Joint, false)]
    [InlineData(ReconstructionPhase.Weights, true)]
    public void On_WebGPU_a_block_has_the_loss_curve_that_it_has_on_the_CPU_or_it_says_what_is_missing(ReconstructionPhase phase, bool isInverted)
    {
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        var problem = Problem(phase, isInverted);
        var cpu = Run(new ModelRuntime(environment), problem);
        Assert.Equal(2, cpu.Curve.Count);
        Assert.NotEqual(cpu.Curve[0].Loss, cpu.Curve[1].Loss);
        ReconstructionResult webGpu;
        try
        {
            webGpu = Run(new ModelRuntime(environment, ExecutionProvider.WebGpu), problem);
        }
        catch (OrtException exception) when (!WebGpuAdapter.IsPromised)
        {
            Assert.Contains("WebGPU", exception.Message, StringComparison.OrdinalIgnoreCase);
            return;
        }

        Assert.Null(webGpu.Explosion);
        Assert.Equal(cpu.Curve.Count, webGpu.Curve.Count);
        foreach (var (expected, actual) in cpu.Curve.Zip(webGpu.Curve))
        {
            Assert.Equal(expected.Iteration, actual.Iteration);
            Assert.InRange(actual.Loss / expected.Loss, 1 - CurveTolerance, 1 + CurveTolerance);
            Assert.InRange(actual.Penalty, expected.Penalty * (1 - CurveTolerance), expected.Penalty * (1 + CurveTolerance));
        }

        foreach (var (expected, actual) in cpu.Activations.Zip(webGpu.Activations))
            Assert.InRange(actual.Scale / expected.Scale, 1 - CurveTolerance, 1 + CurveTolerance);

        Assert.InRange(webGpu.NearestLoss / cpu.NearestLoss, 1 - CurveTolerance, 1 + CurveTolerance);
    }

    private static ReconstructionResult Run(ModelRuntime runtime, ReconstructionProblem problem) =>
        Reconstructor.Run(runtime, problem, new Images(problem), null, _ => { }, _ => { }, CancellationToken.None);

    /// <summary>Two convolutions and the addition of what enters; or one with a stride, depthwise, between two pointwise ones.</summary>
    private static ReconstructionProblem Problem(ReconstructionPhase phase, bool isInverted)
    {
        var random = new Random(2);
        var b = new GraphBuilder(17);
        string Convolve(string x, long outputs, long inputs, long kernel, params NodeAttribute[] attributes)
        {
            var bound = 1.5 / Math.Sqrt(inputs * kernel * kernel);
            float[] weight = [.. Enumerable.Range(0, (int)(outputs * inputs * kernel * kernel)).Select(_ => (float)(bound * (2 * random.NextDouble() - 1)))];
            return b.Add("Conv", [x, b.Constant(Tensor.FromFloats("w", [outputs, inputs, kernel, kernel], weight))], attributes);
        }

        string Activate(string x) => b.Add("Relu", [x]);
        var padded = NodeAttribute.Ints("pads", 1, 1, 1, 1);
        var x = b.Input("x", ElementType.Float32, -1, Channels, Side, Side);
        if (isInverted)
        {
            var inner = Activate(Convolve(x, Inner, Channels, 1));
            var halved = Activate(Convolve(inner, Inner, 1, 3, padded, NodeAttribute.Ints("strides", 2, 2), NodeAttribute.Int("group", Inner)));
            b.Output(Convolve(halved, Channels, Inner, 1), "y", ElementType.Float32, [-1, Channels, Side / 2, Side / 2]);
        }
        else
            b.Output(Activate(b.Binary("Add", Convolve(Activate(Convolve(x, Channels, Channels, 3, padded)), Channels, Channels, 3, padded), x)), "y", ElementType.Float32, [-1, Channels, Side, Side]);
        var model = ModelPreparation.Prepare(b.Build(), BatchNormMode.Fold);
        var parameters = new ReconstructionParameters { Iterations = 40, Batch = 8, Rate = 1e-2, Seed = 0, Loss = ReconstructionLoss.Mse };
        if (phase != ReconstructionPhase.Activations)
            parameters = parameters with { Grid = GridKind.MinMax, Scheme = QuantizationScheme.Asymmetric, Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2 };
        if (phase == ReconstructionPhase.Joint)
            parameters = parameters with { ActivationRate = 1e-3 };
        var partition = ModelPartition.Of(model);
        LayerToRound[] layers = [.. partition.Layers.Select(l => new LayerToRound(l.Name, LayerMatrix.Read(l), l.Rows, l.Columns, 2, KeepsZeros: false))];
        var places = ActivationPlaces.Within(model, partition, GroupBoundary.Of(model, partition, [.. layers.Select(l => l.Name)]), new ActivationSpec(4, []));
        return new ReconstructionProblem(model, layers, parameters, Seed: 1005, RateFactor: 1, LossBatch: 8)
        {
            Phase = phase,
            Activations = phase == ReconstructionPhase.Weights ? [] : [.. places.Select(place => new ActivationGrid(place.Value, place.Bits, 0.13f, 0))],
        };
    }

    /// <summary>Random images and what the block in float makes of them.</summary>
    private sealed class Images : IActivationSource
    {
        private readonly Dictionary<string, double[]> _values = [];

        public Images(ReconstructionProblem problem)
        {
            var random = new Random(3);
            var images = DoubleTensor.Build([Samples, Channels, Side, Side], _ => 2 * random.NextDouble() - 1);
            _values["x"] = images.Values;
            _values["y"] = DoubleInterpreter.Run(problem.Model, new Dictionary<string, DoubleTensor> { ["x"] = images })["y"].Values;
        }

        int IActivationSource.Samples => Samples;

        public int ElementsOf(string value) => _values[value].Length / Samples;

        public void Read(int sample, string value, Span<float> into)
        {
            for (var i = 0; i < into.Length; i++)
                into[i] = (float)_values[value][sample * into.Length + i];
        }
    }
}
