using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit.Interpreting;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>Step sizes of activations that are learned by themselves, and beside roundings, with and without elements that stay in float.</summary>
public sealed class ActivationReconstructionTests : IDisposable
{
    private const int Samples = 48;
    private const float Found = 0.35f;

    // Straight-through gradients lead near the best step size, not to it: the rounding's own slope is left out of them.
    private const double NearBest = 1.05;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);
    private readonly ResidualBlock _block = new(seed: 3);

    public void Dispose()
    {
        _block.Dispose();
        _environment.Dispose();
    }

    [Theory]
    [InlineData(0.2f)]
    [InlineData(0.9f)]
    public void Step_sizes_that_begin_too_fine_or_too_coarse_come_near_the_best(float start)
    {
        var problem = OneLayer(start);
        var source = new Values(problem, Samples);
        var result = Run(problem, source: source);
        double LossOf(float scale) => GroupLoss.Of(
            new ModelRuntime(_environment), problem.Model, ModelPartition.Of(problem.Model), BoundaryOf(problem), source, Samples, CancellationToken.None,
            [problem.Activations[0] with { Scale = scale }], Reconstructor.ActivationPower);
        var best = Enumerable.Range(5, 60).Min(i => LossOf(0.02f * i));

        Assert.Null(result.Reason);
        Assert.Empty(result.Layers);
        Assert.Equal((LossOf(result.Activations[0].Scale), LossOf(start)), (result.Loss, result.NearestLoss));
        Assert.True(result.NearestLoss > 1.2 * best);
        Assert.InRange(result.Loss, 0, NearBest * best);
        Assert.Equal(problem.Activations[0] with { Scale = 1 }, result.Activations[0] with { Scale = 1 });
    }

    [Fact]
    public void Step_sizes_that_lose_more_than_those_at_the_beginning_are_not_kept()
    {
        var problem = OneLayer(Found);
        // A single step of Adam is as long as the rate: it ends far from where it began.
        var result = Run(problem with { Parameters = problem.Parameters with { Iterations = 1, Rate = 5 } });

        Assert.Contains("step sizes as they were found kept", result.Reason, StringComparison.Ordinal);
        Assert.Equal(problem.Activations, result.Activations);
        Assert.Equal(result.NearestLoss, result.Loss);
    }

    [Theory]
    [InlineData(ReconstructionPhase.Activations, null)]
    [InlineData(ReconstructionPhase.Joint, null)]
    [InlineData(ReconstructionPhase.Joint, 0.5)]
    public void Going_on_from_a_state_gives_the_same_as_never_having_stopped(ReconstructionPhase phase, double? drop)
    {
        var problem = Block(phase, drop, iterations: 520);
        var states = new List<byte[]>();
        var whole = Run(problem, leave: state => states.Add(state.ToBytes()));
        Assert.Equal(2, states.Count);
        var again = new List<byte[]>();
        var resumed = Run(problem, ReconstructionState.Open(states[0]), state => again.Add(state.ToBytes()));

        Assert.Equal(whole.Activations, resumed.Activations);
        Assert.Equal(whole.Curve, resumed.Curve);
        Assert.Equal(whole.Layers.SelectMany(l => l.Codes), resumed.Layers.SelectMany(l => l.Codes));
        Assert.Equal(states[1], Assert.Single(again));
    }

    [Fact]
    public void Joint_tuning_learns_roundings_and_step_sizes_and_loses_less_than_nearest_codes_do()
    {
        var problem = Block(ReconstructionPhase.Joint, drop: null, iterations: 300);
        var (result, dropped) = (Run(problem), Run(Block(ReconstructionPhase.Joint, drop: 0.5, iterations: 300)));

        foreach (var one in (ReconstructionResult[])[result, dropped])
        {
            Assert.Null(one.Reason);
            Assert.True(one.Loss < one.NearestLoss);
            Assert.Equal(3, one.Layers.Count);
            Assert.Contains(one.Layers, layer => layer.Flipped > 0);
            Assert.All(one.Activations.Zip(problem.Activations), pair =>
            {
                Assert.NotEqual(pair.Second.Scale, pair.First.Scale);
                Assert.Equal((pair.Second.Value, pair.Second.Zero), (pair.First.Value, pair.First.Zero));
            });
        }

        // What is left in float costs nothing while it is; the loss that decides is that of all quantized.
        Assert.Equal(result.NearestLoss, dropped.NearestLoss);
        Assert.True(dropped.Curve[0].Loss < result.Curve[0].Loss);
    }

    /// <summary>The group is fed with zeros, so the loss of a step tells how much is mixed in; no activation inside is quantized.</summary>
    [Fact]
    public void Elements_of_what_enters_are_mixed_in_from_the_float_model_with_the_same_chance()
    {
        var problem = Block(ReconstructionPhase.Joint, drop: 0.5, iterations: 20) with { Activations = [] };
        double First(double drop, bool hasFloats) => Run(
            problem with { HasFloatInputs = hasFloats, Parameters = problem.Parameters with { Drop = drop } }, source: new Values(problem, Samples, enters: 0)).Curve[0].Loss;
        var (float0, mixed, zeros) = (First(0.999_999, true), First(0.5, true), First(0.5, false));

        Assert.True(float0 < mixed && mixed < zeros);
        Assert.Equal(zeros, First(0, true));
        var whole = Run(problem with { HasFloatInputs = true }, source: new Values(problem, Samples, enters: 0));
        Assert.Equal(Run(problem, source: new Values(problem, Samples, enters: 0)).NearestLoss, whole.NearestLoss);
    }

    [Fact]
    public void A_group_without_quantized_activations_has_nothing_to_tune()
    {
        var result = Run(OneLayer(Found) with { Activations = [] });

        Assert.Equal("no activation of the group is quantized", result.Reason);
        Assert.Equal(0, result.Iterations);
        Assert.Empty(result.Curve);
        Assert.Empty(result.Activations);
    }

    [Fact]
    public void An_explosion_leaves_step_sizes_as_they_were_found()
    {
        var problem = OneLayer(Found);
        var result = Run(problem, source: new Values(problem, Samples, spoiled: true));

        Assert.Contains("no finite number", result.Explosion, StringComparison.Ordinal);
        Assert.Equal(problem.Activations, result.Activations);
    }

    [Fact]
    public void Joint_tuning_needs_a_rate_for_step_sizes() => Assert.Throws<ArgumentException>(() =>
        Run(Block(ReconstructionPhase.Joint, drop: null, iterations: 1) with { Parameters = Parameters(1) }));

    private ReconstructionResult Run(ReconstructionProblem problem, ReconstructionState? from = null, Action<ReconstructionState>? leave = null, Values? source = null) => Reconstructor.Run(
        new ModelRuntime(_environment), problem, source ?? new Values(problem, Samples), from, leave ?? (_ => { }), _ => { }, CancellationToken.None);

    private static GroupBoundary BoundaryOf(ReconstructionProblem problem) =>
        GroupBoundary.Of(problem.Model, ModelPartition.Of(problem.Model), [.. problem.Layers.Select(l => l.Name)]);

    /// <summary>The block's first layer by itself: what leaves it, between 0 and 6, has 3 bits.</summary>
    private ReconstructionProblem OneLayer(float scale)
    {
        var layer = _block.Layers[0];
        var grid = new ActivationGrid(GroupBoundary.Of(_block.Model, ModelPartition.Of(_block.Model), [layer.Name]).Output, 3, scale, 0);
        return new ReconstructionProblem(_block.Model, [layer], Parameters(400), Seed: 5, RateFactor: 1, LossBatch: 20) { Phase = ReconstructionPhase.Activations, Activations = [grid] };
    }

    private ReconstructionProblem Block(ReconstructionPhase phase, double? drop, int iterations)
    {
        var parameters = phase == ReconstructionPhase.Activations ? Parameters(iterations) : Parameters(iterations) with
        {
            Rate = 1e-2, ActivationRate = 1e-3, Drop = drop, Grid = GridKind.Mse, Scheme = QuantizationScheme.Asymmetric, Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
        };
        return new ReconstructionProblem(_block.Model, _block.Layers, parameters, Seed: 7, RateFactor: 1, LossBatch: 20) { Phase = phase, Activations = _block.Grids };
    }

    private static ReconstructionParameters Parameters(int iterations) => new() { Iterations = iterations, Batch = 16, Rate = 1e-2, Seed = 0, Loss = ReconstructionLoss.Mse };

    /// <summary>Random inputs of the group and what leaves it in float.</summary>
    private sealed class Values : IActivationSource
    {
        private readonly Dictionary<string, float[]> _values;

        /// <param name="enters">What the group is fed with is this many times what the float model has.</param>
        public Values(ReconstructionProblem problem, int samples, bool spoiled = false, float enters = 1)
        {
            Samples = samples;
            var boundary = BoundaryOf(problem);
            var builder = GraphBuilder.Extract(problem.Model, boundary.Output);
            builder.Output(boundary.Output);
            var random = new Random(11);
            var x = DoubleTensor.Build([samples, 4, 5, 5], _ => (float)(2 * random.NextDouble() - 1));
            var leaving = DoubleInterpreter.Run(builder.Build(), new Dictionary<string, DoubleTensor> { ["x"] = x })[boundary.Output];
            if (spoiled)
                leaving.Values[7] = double.NaN;
            _values = new Dictionary<string, float[]>
            {
                ["x"] = Array.ConvertAll(x.Values, v => enters * (float)v),
                [boundary.Mixed().Floats[0]] = Array.ConvertAll(x.Values, v => (float)v),
                [boundary.Output] = Array.ConvertAll(leaving.Values, v => (float)v),
            };
        }

        public int Samples { get; }

        public int ElementsOf(string value) => _values[value].Length / Samples;

        public void Read(int sample, string value, Span<float> into) => _values[value].AsSpan(sample * ElementsOf(value), ElementsOf(value)).CopyTo(into);
    }
}
