using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit.Interpreting;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>The step of a group whose activations are quantized: LSQ's gradients (algorithms.md 3.7), masks, Adam's steps and what holds step sizes above 0.</summary>
public sealed class ReconstructionGraphTests : IDisposable
{
    private const int Batch = ResidualBlock.Batch;

    // Of the central differences, in double: so small that no element crosses the bend of a ReLU; cancellation in a loss near 10 is about 1e-8.
    private const double Difference = 1e-7;

    // algorithms.md 3.9 asks for 1e-3. Constants of the graph are rounded to float32 (6e-8), as the offsets of the frozen codes are.
    private const double GradientTolerance = 1e-5;

    // A step in float32 against double (issue: 1e-5), relative.
    private const double StepTolerance = 1e-5;

    private static readonly float s_gradientShare = (float)(1 - ReconstructionGraph.Adam.Beta1);

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    public void Dispose() => _environment.Dispose();

    [Theory]
    [InlineData(2, false)]
    [InlineData(2, true)]
    [InlineData(Reconstructor.ActivationPower, false)]
    public void Gradients_of_step_sizes_and_roundings_are_those_of_differences_with_codes_frozen(double power, bool hasMasks)
    {
        using var block = new ResidualBlock(seed: 3);
        var graph = block.Graph(new StepShape(Batch, power, hasMasks));
        var inputs = block.Inputs(graph);
        var values = DoubleInterpreter.Run(graph.Step.Model, inputs);
        var frozen = Frozen(graph, values);
        Assert.Equal(3, graph.Scales.Count);

        foreach (var name in graph.Scales.Concat(graph.Rounded))
        {
            var gradient = values[$"{name}.m.next"].Values;
            for (var i = 0; i < gradient.Length; i += Math.Max(1, gradient.Length / 7))
            {
                var expected = (At(Difference) - At(-Difference)) / (2 * Difference);
                Assert.InRange(gradient[i] / s_gradientShare, expected - GradientTolerance * (1 + Math.Abs(expected)), expected + GradientTolerance * (1 + Math.Abs(expected)));

                double At(double by)
                {
                    var moved = inputs[name].Values.ToArray();
                    moved[i] += by;
                    return DoubleInterpreter.Run(frozen, new Dictionary<string, DoubleTensor>(inputs) { [name] = inputs[name] with { Values = moved } })[graph.Loss].Values[0];
                }
            }
        }

        Assert.All(graph.Scales, name => Assert.NotEqual(0, values[$"{name}.m.next"].Values[0]));
    }

    [Fact]
    public void What_a_mask_leaves_out_stays_in_float_and_the_rest_is_quantized()
    {
        using var block = new ResidualBlock(seed: 4);
        var masked = block.Graph(new StepShape(Batch, HasMasks: true));
        double Masked(double mask) => Loss(masked, masked.Masks.Aggregate(block.Inputs(masked), (inputs, m) =>
            new(inputs) { [m.Name] = inputs[m.Name] with { Values = [.. inputs[m.Name].Values.Select(_ => mask)] } }));
        var all = block.Graph(new StepShape(Batch));
        var none = block.Graph(new StepShape(Batch), quantizes: false);

        Assert.Equal(Loss(all, block.Inputs(all)), Masked(1));
        Assert.Equal(Loss(none, block.Inputs(none)), Masked(0));
        Assert.NotEqual(Masked(0), Masked(1));
    }

    /// <summary>The reference is 3.7's formula and Kingma and Ba's algorithm 1, written out for one value.</summary>
    [Theory]
    [InlineData(2)]
    [InlineData(Reconstructor.ActivationPower)]
    public void Steps_of_a_step_size_are_those_of_the_formulas_in_double(double power)
    {
        const double Rate = 0.01;
        var (model, boundary) = Leaky();
        var grid = new ActivationGrid(boundary.Output, 2, 0.3f, 1);
        var graph = ReconstructionGraph.Build(model, boundary, [], [grid], new StepShape(Batch, power));
        Assert.Null(graph.Penalty);
        using var options = new RunOptions();
        using var runner = new StepRunner(new ModelRuntime(_environment), graph, new Dictionary<string, float[]> { [graph.Scales[0]] = [grid.Scale] }, Batch);
        // Below the range, inside, on both its ends and above it.
        double[] y = [-1.7, 0.08, 0.61, -0.32, 0.75, 2.5], target = [-0.4, 0.2, 0.5, -0.1, 0.9, 1.1];
        (double scale, double m, double v) = (grid.Scale, 0, 0);
        for (var step = 1; step <= 20; step++)
        {
            for (var i = 0; i < y.Length; i++)
                (runner.Input(graph.Inputs[0])[i], runner.Input(graph.Inputs[1])[i]) = ((float)(y[i] < 0 ? y[i] * 2 : y[i]), (float)target[i]);
            var (first, second) = ReconstructionGraph.Adam.Corrections(step);
            var (loss, penalty) = runner.Run(options, (ReconstructionGraph.ScaleRate, Rate), (TrainingStep.Correction1, first), (TrainingStep.Correction2, second));
            var (expected, gradient) = Lsq(y, target, scale, grid.Zero, grid.MaximumCode, power);
            Assert.InRange(loss, expected * (1 - StepTolerance), expected * (1 + StepTolerance));
            Assert.Equal(0, penalty);
            (m, v) = (0.9 * m + 0.1 * gradient, 0.999 * v + 0.001 * gradient * gradient);
            scale -= Rate * (m / first) / (Math.Sqrt(v / second) + 1e-8);
            Assert.InRange(runner.State()[graph.Scales[0]][0], scale * (1 - StepTolerance), scale * (1 + StepTolerance));
        }

        Assert.NotInRange(scale, grid.Scale * 0.99, grid.Scale * 1.01);
    }

    [Fact]
    public void No_step_takes_a_step_size_to_zero()
    {
        var (model, boundary) = Leaky();
        var graph = ReconstructionGraph.Build(model, boundary, [], [new ActivationGrid(boundary.Output, 2, 1, 1)], new StepShape(Batch));
        using var options = new RunOptions();
        using var runner = new StepRunner(new ModelRuntime(_environment), graph, new Dictionary<string, float[]> { [graph.Scales[0]] = [0.5f] }, Batch);
        runner.Input(graph.Inputs[0]).Fill(2);
        runner.Input(graph.Inputs[1]).Clear();
        runner.Run(options, (ReconstructionGraph.ScaleRate, 1), (TrainingStep.Correction1, 1), (TrainingStep.Correction2, 1));

        Assert.Equal(ReconstructionGraph.SmallestScale, runner.State()[graph.Scales[0]][0]);
    }

    /// <summary>The loss of 3 samples of 2 channels, and its gradient with respect to s.</summary>
    private static (double Loss, double Gradient) Lsq(double[] y, double[] target, double scale, int zero, int most, double power)
    {
        var (loss, gradient) = (0.0, 0.0);
        foreach (var (x, t) in y.Zip(target))
        {
            var code = Math.Round(x / scale) + zero;
            var error = scale * (Math.Clamp(code, 0, most) - zero) - t;
            loss += Math.Pow(Math.Abs(error), power) / Batch;
            var slope = code < 0 ? -zero : code > most ? most - zero : Math.Round(x / scale) - x / scale;
            gradient += power * Math.Pow(Math.Abs(error), power - 1) * Math.Sign(error) * slope / Batch;
        }

        return (loss, gradient);
    }

    /// <summary>A layer that changes nothing, behind it LeakyRelu with a slope of a half; then another layer, so that it is not the output.</summary>
    private static (OnnxModel Model, GroupBoundary Boundary) Leaky()
    {
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var eye = builder.Constant(Tensor.FromFloats("w", [2, 2], [1, 0, 0, 1]));
        var leaky = builder.Add("LeakyRelu", [builder.Gemm(x, eye)], NodeAttribute.Float("alpha", 0.5f));
        builder.Output(builder.Gemm(leaky, builder.Constant(Tensor.FromFloats("w2", [2, 2], [1, 2, 3, 4]))), "y", ElementType.Float32, [-1, 2]);
        var model = ModelPreparation.Prepare(builder.Build(), BatchNormMode.Fold);
        var partition = ModelPartition.Of(model);
        return (model, GroupBoundary.Of(model, partition, [partition.Layers[0].Name]));
    }

    private static double Loss(ReconstructionGraph graph, Dictionary<string, DoubleTensor> inputs) => DoubleInterpreter.Run(graph.Step.Model, inputs)[graph.Loss].Values[0];

    /// <summary>The forward part, with codes that move as straight-through estimators say: with x/s inside the range, its ends included, and not at all outside.</summary>
    private static OnnxModel Frozen(ReconstructionGraph graph, IReadOnlyDictionary<string, DoubleTensor> values)
    {
        var builder = GraphBuilder.Extract(graph.Step.Model, graph.Loss);
        builder.Output(graph.Loss);
        var model = builder.Build();
        foreach (var round in model.Graph.Nodes.Where(n => n.OpType == "Round").ToList())
        {
            var clip = model.Graph.Uses(round.Output).Single().Node;
            var (quotient, code, shape) = (values[round.Inputs[0]].Values, values[clip.Output].Values, values[clip.Output].Shape);
            float[] inside = [.. values[round.Output].Values.Zip(code, (rounded, clipped) => rounded == clipped ? 1f : 0)];
            float[] offset = [.. code.Select((c, i) => (float)(c - inside[i] * quotient[i]))];
            var output = clip.Output;
            model.Graph.Remove(clip);
            var edit = GraphBuilder.Edit(model);
            var moved = edit.Binary("Mul", round.Inputs[0], edit.Constant(Tensor.FromFloats("inside", shape, inside)));
            model.Graph.Add(new Node("Add", "frozen", [moved, edit.Constant(Tensor.FromFloats("offset", shape, offset))], [output]));
        }

        model.Graph.Sort();
        return model;
    }
}
