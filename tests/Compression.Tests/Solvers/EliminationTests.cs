using Orchestrator.Compression.Solvers;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>The methods' rows: golden values, brute force, and the invariant Σ dL = ½·Δw·H·Δwᵀ (algorithms.md 5.12, 9.1 to 9.4).</summary>
public sealed class EliminationTests
{
    // A few dozen float32 operations on numbers near 1.
    private const double SingleTolerance = 2e-5;

    // The closed form is solved in double and rounded once to float32.
    private const double RoundingTolerance = 1e-6;

    private static readonly double[] s_hessian91 = [2, 1, 0, 1, 2, 1, 0, 1, 2];

    [Fact]
    public void Pruning_follows_the_examples_of_9_1()
    {
        AssertTrace([1, 0.5f, -1], s_hessian91, 1, [1, 2, 0], [1 / 8.0, 9 / 16.0, 25 / 16.0]);
        AssertFinish([1, 0.5f, -1], s_hessian91, 1, [1, 2, 0], [[1, 0.5, -1], [1.25, 0, -0.75], [1.25, 0, 0], [0, 0, 0]]);
        AssertTrace([1, 1, 0.5f], s_hessian91, 1, [2, 0, 1], [1 / 6.0, 25 / 48.0, 49 / 16.0]);
        AssertFinish([1, 1, 0.5f], s_hessian91, 1, [2, 0, 1], [[1, 1, 0.5], [5 / 6.0, 4 / 3.0, 0], [0, 1.75, 0], [0, 0, 0]]);
    }

    [Fact]
    public void Blocks_follow_9_3()
    {
        double[] h = [4, 1, 0, 1, 1, 3, 1, 0, 0, 1, 3, 1, 1, 0, 1, 2];
        AssertTrace([1, -1, 2, 0.5f], h, 2, [0, 1], [9 / 5.0, 0.5 * Form(h, [1, -1, 2, 0.5f]) - 9 / 5.0]);
        AssertFinish([1, -1, 2, 0.5f], h, 2, [0, 1], [[1, -1, 2, 0.5], [0, 0, 1.4, 1.3], [0, 0, 0, 0]]);
        AssertFinish([1, -1, 2, 0.5f], h, 2, [1, 0], [[1, -1, 2, 0.5], [21 / 22.0, -7 / 22.0, 0, 0]]);
    }

    [Fact]
    public void Quantization_follows_9_4()
    {
        AssertQuantizes([1.3f, 0.4f, -2], new(1, 8, 15), [1, 1, -2], 0.27);
        AssertQuantizes([-0.6f, 1.5f, 2], new(1, 2, 3), [0, 1, 1], 1.81);
    }

    [Fact]
    public void Exact_obs_is_the_greedy_choice_of_brute_force()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            using var layer = SmallLayer.Random(seed, 1, 6);
            var (order, losses) = Oracle.Greedy(layer.Hessian[0], layer.Weights.Row(0));
            var run = RowRun.Of(layer, new ExactObs.Prune());
            Assert.Equal(order, run.Order);
            AssertClose(losses, run.Losses, SingleTolerance);
        }
    }

    [Fact]
    public void The_closed_form_is_the_least_squares_refit()
    {
        for (var seed = 0; seed < 50; seed++)
        {
            using var layer = SmallLayer.Random(seed, 1, 9);
            var order = Enumerable.Range(0, 9).OrderBy(j => (j * 5 + seed) % 9).ToArray();
            for (var count = 0; count <= 9; count++)
            {
                var removed = new bool[9];
                foreach (var column in order[..count])
                    removed[column] = true;
                using var weights = ExactObs.Finish(layer.Input, order, [count], CancellationToken.None).Weights;
                AssertClose(Oracle.Refit(layer.Hessian[0], layer.Weights.Row(0), removed).Weights, weights.ToArray(), RoundingTolerance);
                Assert.All(order[..count], column => Assert.Equal(0f, weights[0, column]));
            }
        }
    }

    [Theory]
    [InlineData("prune")]
    [InlineData("groups")]
    [InlineData("blocks")]
    [InlineData("quantize")]
    [InlineData("quantize, clipping")]
    public void The_losses_of_the_steps_add_up_to_the_loss_of_the_result(string name)
    {
        foreach (var columns in (int[])[4, 12, 64, 148])
        {
            using var layer = SmallLayer.Random(columns, 3, columns);
            for (var row = 0; row < 3; row++)
            {
                var run = RowRun.Of(layer, Method(name, columns), row, unit: name == "blocks" ? 4 : 1);
                Assert.Empty(run.Rescues);
                var loss = Oracle.Loss(layer.Hessian[0], layer.Weights.Row(row), run.After);
                Assert.InRange(run.Losses.Sum() / loss, 1 - SingleTolerance * columns, 1 + SingleTolerance * columns);
            }
        }
    }

    [Fact]
    public void With_a_diagonal_hessian_pruning_goes_by_weighted_magnitude_and_quantization_rounds()
    {
        double[] diagonal = [3, 1, 0.5, 4, 2];
        float[] w = [0.3f, -0.9f, 1.1f, 0.2f, -0.61f];
        var h = new double[25];
        for (var j = 0; j < 5; j++)
            h[j * 6] = diagonal[j];
        using var layer = SmallLayer.Of(w, h);
        var expected = Enumerable.Range(0, 5).OrderBy(j => w[j] * w[j] * diagonal[j]).ToArray();
        var run = RowRun.Of(layer, new ExactObs.Prune());
        Assert.Equal(expected, run.Order);
        AssertClose([.. expected.Select(j => w[j] * w[j] * diagonal[j] / 2)], run.Losses, SingleTolerance);
        AssertSameAsRounding(layer);
    }

    [Fact]
    public void With_one_column_quantization_rounds()
    {
        using var layer = SmallLayer.Of([0.37f], [2.5]);
        AssertSameAsRounding(layer);
    }

    [Fact]
    public void Blocks_of_one_are_single_weights()
    {
        using var layer = SmallLayer.Random(11, 1, 30);
        var single = RowRun.Of(layer, new ExactObs.Prune());
        var blocks = RowRun.Of(layer, new BlockSparsity.PruneBlocks(1));
        Assert.Equal(single.Order, blocks.Order);
        AssertClose(single.Losses, blocks.Losses, SingleTolerance);
    }

    [Fact]
    public void In_a_given_order_obq_is_the_cholesky_recursion_of_gptq()
    {
        for (var seed = 0; seed < 20; seed++)
        {
            const int columns = 24;
            using var layer = SmallLayer.Random(seed, 1, columns);
            var grid = new RowGrid<float>(0.13f, 8, 15);
            var codes = new int[columns];
            var run = RowRun.Of(layer, new Obq.Quantize(grid, codes));
            Assert.Equal(Gptq(layer, grid, run.Order), codes);
        }
    }

    [Fact]
    public void Patterns_are_exact_when_every_group_keeps_its_largest_weights_under_the_identity()
    {
        float[] w = [0.1f, -0.9f, 0.5f, 0.2f, -0.3f, 0.25f, 0.05f, 0.8f];
        var h = new double[64];
        for (var j = 0; j < 8; j++)
            h[j * 9] = 1;
        using var layer = SmallLayer.Of(w, h);
        var run = RowRun.Of(layer, new NmSparsity.PruneGroups(1, 4));
        Assert.Equal([0, -0.9f, 0, 0, 0, 0, 0, 0.8f], run.After.Select(value => (float)value));
    }

    private static IRowMethod Method(string name, int columns) => name switch
    {
        "prune" => new ExactObs.Prune(),
        "groups" => new NmSparsity.PruneGroups(1, 4),
        "blocks" => new BlockSparsity.PruneBlocks(4),
        "quantize" => new Obq.Quantize(new(2 / 15f, 8, 15), new int[columns]),
        "quantize, clipping" => new Obq.Quantize(new(1.3f / 7, 4, 7), new int[columns]),
        _ => throw new ArgumentException(name, nameof(name)),
    };

    private static void AssertTrace(float[] w, double[] h, int unit, int[] order, double[] losses)
    {
        using var layer = SmallLayer.Of(w, h);
        var trace = unit == 1 ? ExactObs.Trace(layer.Input, CancellationToken.None) : BlockSparsity.Trace(layer.Input, unit, CancellationToken.None);
        Assert.Equal(order, trace.Order);
        AssertClose(losses, trace.Losses, SingleTolerance);
    }

    private static void AssertFinish(float[] w, double[] h, int unit, int[] order, double[][] weights)
    {
        using var layer = SmallLayer.Of(w, h);
        for (var count = 0; count < weights.Length; count++)
        {
            using var finished = BlockSparsity.Finish(layer.Input, unit, order, [count], CancellationToken.None).Weights;
            AssertClose(weights[count], finished.ToArray(), RoundingTolerance);
        }
    }

    private static void AssertQuantizes(float[] w, RowGrid<float> grid, int[] values, double loss)
    {
        using var layer = SmallLayer.Of(w, s_hessian91);
        var codes = new int[3];
        var run = RowRun.Of(layer, new Obq.Quantize(grid, codes));
        Assert.Equal(values, codes.Select(code => code - grid.Zero));
        Assert.Equal(loss, run.Losses.Sum(), SingleTolerance);
    }

    private static void AssertSameAsRounding(SmallLayer layer)
    {
        foreach (var bits in (int[])[2, 3, 4])
        {
            using var obq = LayerSolver.Run(layer.Input, Steps.Obq(bits));
            using var rtn = LayerSolver.Run(layer.Input, Steps.Rtn(bits));
            Assert.Equal(rtn.Quantized!.Codes, obq.Quantized!.Codes);
            Assert.Equal(rtn.Weights.ToArray(), obq.Weights.ToArray());
        }
    }

    /// <summary>Quantizes left to right in the order given, with the upper Cholesky factor of the inverse in that order.</summary>
    private static int[] Gptq(SmallLayer layer, RowGrid<float> grid, int[] order)
    {
        var n = order.Length;
        var inverse = Oracle.Invert(layer.Hessian[0]);
        var u = new double[n, n];
        for (var i = 0; i < n; i++)
        {
            for (var j = i; j < n; j++)
            {
                var sum = inverse[order[i], order[j]];
                for (var k = 0; k < i; k++)
                    sum -= u[k, i] * u[k, j];
                u[i, j] = i == j ? Math.Sqrt(sum) : sum / u[i, i];
            }
        }

        var w = order.Select(column => (double)layer.Weights[0, column]).ToArray();
        var codes = new int[n];
        for (var i = 0; i < n; i++)
        {
            codes[order[i]] = grid.Code((float)w[i]);
            var error = (w[i] - grid.Value(codes[order[i]])) / u[i, i];
            for (var j = i; j < n; j++)
                w[j] -= error * u[i, j];
        }

        return codes;
    }

    private static double Form(double[] h, float[] w)
    {
        var sum = 0.0;
        for (var i = 0; i < w.Length; i++)
        {
            for (var j = 0; j < w.Length; j++)
                sum += w[i] * h[i * w.Length + j] * w[j];
        }

        return sum;
    }

    private static void AssertClose(double[] expected, float[] actual, double tolerance) =>
        AssertClose(expected, [.. actual.Select(value => (double)value)], tolerance);

    private static void AssertClose(double[] expected, double[] actual, double tolerance)
    {
        Assert.Equal(expected.Length, actual.Length);
        var scale = Math.Max(1, expected.Max(Math.Abs));
        for (var i = 0; i < expected.Length; i++)
            Assert.InRange(actual[i], expected[i] - tolerance * scale, expected[i] + tolerance * scale);
    }
}
