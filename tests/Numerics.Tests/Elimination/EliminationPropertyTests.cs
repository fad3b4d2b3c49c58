using FsCheck;
using FsCheck.Fluent;

namespace Orchestrator.Numerics.Tests.Elimination;

/// <summary>What must hold of any elimination, algorithms.md 5.12, shown on the fast one.</summary>
public sealed class EliminationPropertyTests
{
    // Rounding of sums over n² products of order 1; 5.12 saw 2e-15 at n = 6.
    private const double SumTolerance = 1e-11;

    // 5.12: brute force agreed to 1e-8.
    private const double BruteForceTolerance = 1e-8;

    // A float has 24 bits; the condition of the test problems (about 1e3) takes ten of them.
    private const double FloatTolerance = 1e-3;

    [Fact]
    public void Three_hundred_small_problems_agree_with_brute_force()
    {
        var random = new Random(300);
        for (var problem = 0; problem < 300; problem++)
        {
            const int n = 6;
            var h = Problem.Hessian(random, n, 0.05);
            var row = Problem.Row(random, n);
            using var inverse = Problem.Invert(h, n);
            using var elimination = new ObsElimination<double>(n, pending: 3);
            var weights = (double[])row.Clone();
            var order = new int[n];
            var losses = new double[n];
            Assert.True(elimination.Prune(inverse, [], weights, order, losses).Completed);
            var kept = Enumerable.Range(0, n).ToList();
            var before = 0.0;
            for (var step = 0; step < n; step++)
            {
                var (column, loss) = kept.Select(c => (c, BestLoss(h, row, [.. kept.Where(k => k != c)]))).MinBy(x => x.Item2);
                Assert.Equal(column, order[step]);
                Assert.Equal(loss - before, losses[step], BruteForceTolerance);
                kept.Remove(column);
                before = loss;
            }
        }
    }

    [Fact]
    public void The_losses_add_up_to_the_loss_of_the_result()
    {
        Check.QuickThrowOnFailure(Prop.ForAll(Gen.Choose(1, 40).ToArbitrary(), Gen.Choose(0, int.MaxValue).ToArbitrary(), (size, seed) =>
        {
            var random = new Random(seed);
            var n = size * 2;
            var h = Problem.Hessian(random, n);
            var row = Problem.Row(random, n);
            using var inverse = Problem.Invert(h, n);
            using var elimination = new ObsElimination<double>(n, pending: random.Next(2, 40));
            var losses = new double[n];
            var steps = random.Next(0, n + 1);

            var pruned = (double[])row.Clone();
            elimination.Prune(inverse, [], pruned, new int[steps], losses);
            AssertLoss(h, row, pruned, losses, steps);

            var patterned = (double[])row.Clone();
            var result = elimination.PruneGroups(inverse, [], patterned, 2, 5, new int[n], losses);
            AssertLoss(h, row, patterned, losses, result.Steps);

            var blocked = (double[])row.Clone();
            result = elimination.PruneBlocks(inverse, [], blocked, 2, new int[size / 2], losses);
            AssertLoss(h, row, blocked, losses, result.Steps);

            var quantized = (double[])row.Clone();
            result = elimination.Quantize(inverse, [], quantized, new(0.25, 4, 7), new int[n], new int[n], losses);
            Assert.Equal(n, result.Steps);
            AssertLoss(h, row, quantized, losses, n);
        }));
    }

    [Theory]
    [InlineData(2, 4)]
    [InlineData(1, 4)]
    [InlineData(4, 8)]
    [InlineData(3, 5)]
    [InlineData(0, 3)]
    [InlineData(4, 4)]
    public void Every_group_keeps_its_share(int keep, int group)
    {
        foreach (var n in new[] { 1, 16, 61, 120, 163 })
        {
            var random = new Random(n);
            using var inverse = Problem.Invert(Problem.Hessian(random, n), n);
            using var elimination = new ObsElimination<double>(n, pending: 16);
            var weights = Problem.Row(random, n);
            var order = new int[n];
            var result = elimination.PruneGroups(inverse, [], weights, keep, group, order, new double[n]);
            for (var start = 0; start < n; start += group)
            {
                var size = Math.Min(group, n - start);
                Assert.Equal(Math.Min(keep, size), weights.AsSpan(start, size).ToArray().Count(w => w != 0));
            }

            Assert.Equal(weights.Count(w => w == 0), result.Steps);
            Assert.Equal(result.Steps, order[..result.Steps].Distinct().Count());
        }
    }

    [Fact]
    public void With_a_diagonal_Hessian_pruning_is_by_magnitude_and_quantization_is_rounding()
    {
        const int n = 150;
        var random = new Random(8);
        using var inverse = new Matrix<double>(n, n);
        for (var i = 0; i < n; i++)
            inverse[i, i] = 0.1 + random.NextDouble();
        var row = Problem.Row(random, n);
        using var elimination = new ObsElimination<double>(n, pending: 32);
        var order = new int[n];
        elimination.Prune(inverse, [], (double[])row.Clone(), order, new double[n]);
        Assert.Equal(Enumerable.Range(0, n).OrderBy(i => row[i] * row[i] / inverse[i, i]), order);

        var grid = new RowGrid<double>(0.1, 7, 15);
        var quantized = (double[])row.Clone();
        var codes = new int[n];
        elimination.Quantize(inverse, [], quantized, grid, codes, order, new double[n]);
        Assert.Equal(row.Select(grid.Code), codes);
        Assert.Equal(codes.Select(grid.Value), quantized);
    }

    [Fact]
    public void Weights_outside_the_map_keep_their_value_and_are_counted_as_lost_by_their_group()
    {
        using var inverse = Matrix<double>.FromRows([1, 0, 0, 0, 1, 0, 0, 0, 1], 3, 3);
        using var elimination = new ObsElimination<double>(6);
        double[] weights = [1, 0, 3, 4, 0, 0];
        var order = new int[3];
        var result = elimination.PruneGroups(inverse, [0, 2, 3], weights, 1, 3, order, new double[3]);
        Assert.Equal(1, result.Steps);
        Assert.Equal([0, 0, 3, 4, 0, 0], weights);
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Float_follows_double_on_a_well_conditioned_problem(KernelWidth width)
    {
        const int n = 180;
        var random = new Random(4);
        using var inverse = Problem.Invert(Problem.Hessian(random, n, 0.2), n);
        using var floats = inverse.Convert<float>();
        var row = Problem.Row(random, n);
        var losses = new double[n];
        var floatLosses = new double[n];
        using var exact = new ObsElimination<double>(n, width);
        using var fast = new ObsElimination<float>(n, width);
        Assert.True(exact.Prune(inverse, [], (double[])row.Clone(), new int[n], losses).Completed);
        Assert.True(fast.Prune(floats, [], [.. row.Select(w => (float)w)], new int[n], floatLosses).Completed);
        Assert.Equal(losses.Sum(), floatLosses.Sum(), losses.Sum() * FloatTolerance);
    }

    private static void AssertLoss(double[] h, double[] before, double[] after, double[] losses, int steps) =>
        Assert.Equal(Problem.Loss(h, before, after), losses.AsSpan(0, steps).ToArray().Sum(), SumTolerance * before.Length);

    /// <summary>The least loss with only the kept columns: their optimum from the normal equations H_MM·w_M = H_M·w.</summary>
    private static double BestLoss(double[] h, double[] row, int[] kept)
    {
        var n = row.Length;
        var weights = new double[n];
        if (kept.Length > 0)
        {
            using var inverse = Problem.Invert([.. kept.SelectMany(i => kept.Select(j => h[i * n + j]))], kept.Length);
            for (var a = 0; a < kept.Length; a++)
            {
                for (var b = 0; b < kept.Length; b++)
                {
                    for (var j = 0; j < n; j++)
                        weights[kept[a]] += inverse[a, b] * h[kept[b] * n + j] * row[j];
                }
            }
        }

        return Problem.Loss(h, row, weights);
    }
}
