using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Solvers;
using Orchestrator.Compression.Tests.Solvers;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>algorithms.md 2.4 and 3.9 on problems that are small enough to know the answer.</summary>
public sealed class ReconstructorTests : IDisposable
{
    // algorithms.md 2.4: 99.9 % of weights.
    private const double NearestShare = 0.999;

    // Loss over samples in float32 against double.
    private const double LossTolerance = 1e-4;

    // Of roundings V after hundreds of steps of 1e-2 at most, in float32 against double: the deviations seen are of 2e-6.
    private const double RoundingTolerance = 1e-4;

    private const double ObqFactor = 1.3;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    private ModelRuntime Runtime => new(_environment);

    public void Dispose() => _environment.Dispose();

    [Fact]
    public void With_uncorrelated_inputs_the_nearest_codes_are_found()
    {
        const int Columns = 16;
        const int Rows = 64;
        // Rows of √n times the identity: their covariance is the identity exactly.
        var samples = Enumerable.Range(0, Columns).Select(i => Enumerable.Range(0, Columns).Select(j => i == j ? 4f : 0).ToArray()).ToArray();
        var problem = Problem(Random(Rows * Columns, 3), Rows, Columns, bits: 3, iterations: 400, batch: Columns);
        var result = Run(problem, samples);

        Assert.Null(result.Explosion);
        Assert.InRange(result.Layers[0].Flipped, 0, 1 - NearestShare);
        Assert.True(result.Loss <= result.NearestLoss);
    }

    [Fact]
    public void Of_256_roundings_one_near_the_best_is_found_and_none_worse_than_the_nearest()
    {
        const int Columns = 8;
        var good = 0;
        const int Problems = 10;
        for (var seed = 0; seed < Problems; seed++)
        {
            var samples = Correlated(64, Columns, seed);
            var problem = Problem(Random(Columns, seed + 100), 1, Columns, bits: 3, iterations: 1_000, batch: 32);
            var result = Run(problem, samples);
            var best = BruteForce(problem.Layers[0].Weights, result.Layers[0].Grids[0], samples);

            Assert.True(result.Loss <= result.NearestLoss);
            Assert.True(result.Loss >= best * (1 - LossTolerance));
            good += result.Loss <= best * 1.05 + LossTolerance ? 1 : 0;
        }

        // algorithms.md 2.4: within 5 % on 90 % of random problems.
        Assert.InRange(good, Problems * 9 / 10, Problems);
    }

    [Fact]
    public void A_weighted_loss_is_the_one_that_is_tuned()
    {
        const int Columns = 8;
        const int Rows = 7;
        var (weighted, plain) = (0.0, 0.0);
        for (var seed = 0; seed < 8; seed++)
        {
            var samples = Correlated(64, Columns, seed);
            var problem = Problem(Random(Rows * Columns, seed + 100), Rows, Columns, bits: 3, iterations: 1_000, batch: 32);
            var result = Run(problem with { Parameters = problem.Parameters with { Loss = ReconstructionLoss.Fisher } }, samples);
            var loss = WeightedLoss(problem.Layers[0].Weights, result.Layers[0], samples);

            Assert.True(result.Loss <= result.NearestLoss);
            Assert.InRange(result.Loss, loss * (1 - LossTolerance), loss * (1 + LossTolerance));
            weighted += loss;
            plain += WeightedLoss(problem.Layers[0].Weights, Run(problem, samples).Layers[0], samples);
        }

        Assert.True(weighted < plain, $"{weighted} against {plain}");
    }

    /// <summary>A layer by itself is a convolution of 1 × 1 on images of one pixel: section 2 in plain loops, with the same minibatches.</summary>
    [Fact]
    public void A_layer_by_itself_is_tuned_as_AdaRound_tunes_it()
    {
        const int Rows = 8;
        const int Columns = 12;
        const int Iterations = 300;
        const int Batch = 32;
        var samples = Correlated(128, Columns, 7);
        var problem = Problem(Random(Rows * Columns, 8), Rows, Columns, bits: 2, Iterations, Batch);
        var state = default(ReconstructionState);
        var result = Run(problem, samples, leave: s => state = s);
        var layer = problem.Layers[0];
        using var weights = Numerics.Matrix<float>.FromRows(layer.Weights, Rows, Columns);
        var rounding = new SoftRounding(weights, [.. result.Layers[0].Grids], keepsZeros: false);
        double[] start = [.. rounding.Start().Select(v => (double)v)];
        var reference = new ReferenceConvolution(rounding, new double[Rows], (Batch, Columns, Rows, 1, 1, 1), start, new double[start.Length], new double[start.Length]);
        var (source, minibatch, target) = (new Activations(problem, samples), new int[Batch], new float[Rows]);
        for (var step = 1; step <= Iterations; step++)
        {
            StepDraws.Minibatch(problem.Seed, step, samples.Length, minibatch);
            var y = reference.Forward([.. minibatch.SelectMany(i => samples[i]).Select(x => (double)x)]);
            for (var i = 0; i < Batch; i++)
            {
                source.Read(minibatch[i], "y", target);
                for (var row = 0; row < Rows; row++)
                    y[(i * Rows) + row] = 2 * (y[(i * Rows) + row] - target[row]) / Batch;
            }

            // Warm-up for a fifth of the steps, then from 20 to 2 in a line.
            var (warm, rest) = (step < Iterations / 5, 1 - (step - Iterations / 5.0) / (Iterations * 4 / 5.0));
            reference.Backward(y, warm ? 20 : 2 + 18 * rest, warm ? 0 : 0.01, problem.Parameters.Rate, step);
            if (step == state!.Step)
                Assert.All(reference.V.Zip(state.Tensors.Single(t => t.Key.EndsWith("/rounding", StringComparison.Ordinal)).Value), pair => Assert.InRange(pair.Second - pair.First, -RoundingTolerance, RoundingTolerance));
        }

        int[] expected = rounding.Harden([.. reference.V.Select(v => (float)v)]);
        Assert.All(expected.Index(), code => Assert.True(code.Item == result.Layers[0].Codes[code.Index] || Math.Abs(reference.V[code.Index]) < RoundingTolerance));
    }

    [Fact]
    public void Losses_of_4_bits_are_of_the_order_of_those_of_OBQ()
    {
        const int Rows = 8;
        const int Columns = 24;
        const int Problems = 6;
        var ratios = new List<double>();
        for (var seed = 0; seed < Problems; seed++)
        {
            var samples = Correlated(256, Columns, seed);
            var result = Run(Problem(Random(Rows * Columns, seed + 50), Rows, Columns, bits: 4, iterations: 1_000, batch: 32), samples);
            double[] hessian = [.. Enumerable.Range(0, Columns * Columns).Select(at => 2 * samples.Average(x => (double)x[at / Columns] * x[at % Columns]))];
            using var layer = new SmallLayer(Numerics.Matrix<float>.FromRows(Random(Rows * Columns, seed + 50), Rows, Columns), LayerHessian.FromValues(hessian, 1, Columns));
            using var obq = LayerSolver.Run(layer.Input, Steps.Obq(4, GridKind.MinMax, QuantizationScheme.Asymmetric));
            ratios.Add(result.Loss / obq.Loss);
        }

        // algorithms.md 3.9: within a factor of 1.3 to either side.
        Assert.All(ratios, ratio => Assert.InRange(ratio, 1 / ObqFactor, ObqFactor));
    }

    [Fact]
    public void Going_on_from_a_state_gives_the_same_as_never_having_stopped()
    {
        var samples = Correlated(64, 8, 1);
        var problem = Problem(Random(32, 5), 4, 8, bits: 2, iterations: 600, batch: 32);
        var states = new List<byte[]>();
        var whole = Run(problem, samples, leave: state => states.Add(state.ToBytes()));
        Assert.Equal(2, states.Count);
        var again = new List<byte[]>();
        var resumed = Run(problem, samples, ReconstructionState.Open(states[0]), state => again.Add(state.ToBytes()));

        Assert.Equal(whole.Layers[0].Codes, resumed.Layers[0].Codes);
        Assert.Equal(whole.Curve, resumed.Curve);
        Assert.Equal(states[1], Assert.Single(again));
    }

    [Fact]
    public void Pruned_weights_stay_pruned()
    {
        var weights = Random(32, 5);
        for (var i = 0; i < weights.Length; i += 3)
            weights[i] = 0;
        var problem = Problem(weights, 4, 8, bits: 2, iterations: 200, batch: 32);
        problem = problem with { Layers = [problem.Layers[0] with { KeepsZeros = true }] };
        var layer = Run(problem, Correlated(64, 8, 1)).Layers[0];

        for (var i = 0; i < weights.Length; i += 3)
            Assert.Equal(layer.Grids[i / 8].Zero, layer.Codes[i]);
    }

    [Fact]
    public void An_explosion_is_a_result()
    {
        var samples = Correlated(64, 8, 1);
        samples[3][2] = float.PositiveInfinity;
        var result = Run(Problem(Random(32, 5), 4, 8, bits: 2, iterations: 200, batch: 32), samples);

        Assert.Contains("no finite number", result.Explosion, StringComparison.Ordinal);
        Assert.Empty(result.Layers);
    }

    [Fact]
    public void A_state_of_another_problem_is_refused()
    {
        var state = new ReconstructionState(200, new Dictionary<string, float[]>(), [], 0, 0, 0);
        Assert.Throws<InvalidDataException>(() => Run(Problem(Random(32, 5), 4, 8, bits: 2, iterations: 500, batch: 32), Correlated(64, 8, 1), state));
    }

    private ReconstructionResult Run(ReconstructionProblem problem, float[][] samples, ReconstructionState? from = null, Action<ReconstructionState>? leave = null) =>
        Reconstructor.Run(Runtime, problem, new Activations(problem, samples), from, leave ?? (_ => { }), _ => { }, CancellationToken.None);

    private static ReconstructionProblem Problem(float[] weights, int rows, int columns, int bits, int iterations, int batch)
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, columns);
        var weight = builder.Constant(Tensor.FromFloats("w", [rows, columns], weights));
        builder.Output(builder.Gemm("x", weight, transB: true), "y", ElementType.Float32, [-1, rows]);
        var model = ModelPreparation.Prepare(builder.Build(), BatchNormMode.Fold);
        var parameters = new ReconstructionParameters
        {
            Iterations = iterations, Batch = batch, Rate = 1e-2, Seed = 0, Loss = ReconstructionLoss.Mse, Grid = GridKind.MinMax, Scheme = QuantizationScheme.Asymmetric,
            Lambda = 0.01, FirstBeta = 20, LastBeta = 2, Warmup = 0.2,
        };
        var layer = ModelPartition.Of(model).Layers[0];
        return new ReconstructionProblem(model, [new LayerToRound(layer.Name, weights, rows, columns, bits, KeepsZeros: false)], parameters, Seed: 1005, RateFactor: 1, LossBatch: 24);
    }

    private static double BruteForce(float[] weights, Numerics.RowGrid<float> grid, float[][] samples)
    {
        var best = double.PositiveInfinity;
        for (var choice = 0; choice < 1 << weights.Length; choice++)
        {
            double[] difference = [.. weights.Select((w, j) => grid.Value((int)Math.Clamp(MathF.Floor(w / grid.Scale) + (choice >> j & 1) + grid.Zero, 0, grid.MaximumCode)) - (double)w)];
            best = Math.Min(best, samples.Average(x => Math.Pow(x.Zip(difference, (a, d) => a * d).Sum(), 2)));
        }

        return best;
    }

    private static double WeightedLoss(float[] weights, RoundedLayer rounded, float[][] samples)
    {
        var columns = samples[0].Length;
        double Error(float[] x, int row) => x.Select((a, j) => a * (rounded.Grids[row].Value(rounded.Codes[row * columns + j]) - (double)weights[row * columns + j])).Sum();
        return samples.Average(x =>
        {
            double[] squares = [.. rounded.Grids.Select((_, row) => Math.Pow(Gradient(x, row), 2))];
            return squares.Select((square, row) => (square / squares.Average() + 0.1) / 1.1 * Math.Pow(Error(x, row), 2)).Sum();
        });
    }

    /// <summary>Any will do that differs from sample to sample, and from row to row, by much.</summary>
    private static float Gradient(float[] sample, int row) => sample[row] * sample[row + 1];

    private static float[][] Correlated(int count, int columns, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ =>
        {
            var common = 2 * random.NextDouble() - 1;
            return Enumerable.Range(0, columns).Select(_ => (float)(common + 2 * random.NextDouble() - 1)).ToArray();
        })];
    }

    private static float[] Random(int count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, count).Select(_ => (float)(2 * random.NextDouble() - 1))];
    }

    /// <summary>Samples of the lone layer's input, its float outputs, and gradients with respect to these.</summary>
    private sealed class Activations(ReconstructionProblem problem, float[][] samples) : IActivationSource
    {
        private readonly LayerToRound _layer = problem.Layers[0];

        public int Samples => samples.Length;

        public int ElementsOf(string value) => value == "x" ? _layer.Columns : _layer.Rows;

        public void Read(int sample, string value, Span<float> into)
        {
            for (var i = 0; i < into.Length; i++)
                into[i] = value == "x" ? samples[sample][i] : value.StartsWith("gradient", StringComparison.Ordinal) ? Gradient(samples[sample], i) : (float)samples[sample].Select((x, j) => (double)x * _layer.Weights[i * _layer.Columns + j]).Sum();
        }
    }
}
