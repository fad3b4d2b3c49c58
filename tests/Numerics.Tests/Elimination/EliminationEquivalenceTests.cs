using System.Numerics;
using System.Runtime.Intrinsics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics.Tests.Elimination;

/// <summary>The fast elimination against the eager one.</summary>
public sealed class EliminationEquivalenceTests
{
    // What the issue asks for, of a loss or of the row's mean loss: a loss is the square of a residual, and one that all but
    // vanishes keeps its absolute error while its relative one grows without bound.
    private const double LossTolerance = 1e-12;

    // Weights are of order 1 and move by sums of n such terms.
    private const double WeightTolerance = 1e-11;

    private static readonly int[] s_sizes = [1, 2, 3, 4, 5, 7, 8, 9, 15, 16, 17, 32, 33, 48, 63, 64, 65, 72, 128, 129, 200];

    private static readonly int[] s_pending = [1, 3, 8, 33, 64];

    private delegate EliminationResult Method(IRowElimination<double> elimination, Matrix<double> inverse, Outcome outcome);

    [Theory]
    [ClassData(typeof(Widths))]
    public void Pruning_takes_the_same_steps(KernelWidth width) =>
        Compare(width, columns => columns, (elimination, inverse, x) => elimination.Prune(inverse, [], x.Weights, x.Order, x.Losses));

    [Theory]
    [ClassData(typeof(Widths))]
    public void Groups_take_the_same_steps(KernelWidth width)
    {
        Compare(width, columns => columns, (elimination, inverse, x) => elimination.PruneGroups(inverse, [], x.Weights, 2, 4, x.Order, x.Losses));
        Compare(width, columns => columns, (elimination, inverse, x) => elimination.PruneGroups(inverse, [], x.Weights, 1, 7, x.Order, x.Losses));
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Quantization_takes_the_same_steps(KernelWidth width)
    {
        Compare(width, columns => columns, (elimination, inverse, x) => elimination.Quantize(inverse, [], x.Weights, new(0.13, 8, 15), x.Codes, x.Order, x.Losses));

        // A grid that clips about a third of the weights, so that the outlier rule applies often.
        Compare(width, columns => columns, (elimination, inverse, x) => elimination.Quantize(inverse, [], x.Weights, new(0.2, 3, 7), x.Codes, x.Order, x.Losses));
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Blocks_take_the_same_steps(KernelWidth width)
    {
        foreach (var size in new[] { 1, 2, 4 })
            Compare(width, columns => columns / size, (elimination, inverse, x) => elimination.PruneBlocks(inverse, [], x.Weights, size, x.Order, x.Losses), size);
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Stopping_half_way_leaves_the_same_weights(KernelWidth width) =>
        Compare(width, columns => columns / 2, (elimination, inverse, x) => elimination.Prune(inverse, [], x.Weights, x.Order, x.Losses));

    [Theory]
    [ClassData(typeof(Widths))]
    public void A_row_that_is_pruned_already_keeps_its_zeros(KernelWidth width)
    {
        var random = new Random(17);
        foreach (var n in new[] { 2, 9, 40, 130 })
        {
            var h = Problem.Hessian(random, n);
            int[] active = [.. Enumerable.Range(0, n).Where(_ => random.Next(3) > 0)];
            if (active.Length == 0)
                continue;
            double[] restricted = [.. active.SelectMany(i => active.Select(j => h[i * n + j]))];
            using var inverse = Problem.Invert(restricted, active.Length);
            var weights = Problem.Row(random, n);
            for (var i = 0; i < n; i++)
                weights[i] = active.Contains(i) ? weights[i] : 0;
            Method[] methods =
            [
                (elimination, matrix, x) => elimination.Prune(matrix, active, x.Weights, x.Order, x.Losses),
                (elimination, matrix, x) => elimination.PruneGroups(matrix, active, x.Weights, 2, 4, x.Order, x.Losses),
                (elimination, matrix, x) => elimination.Quantize(matrix, active, x.Weights, new(0.1, 4, 15), x.Codes, x.Order, x.Losses),
            ];
            foreach (var method in methods)
            {
                using var eager = new EagerElimination<double>(n, width);
                using var fast = new ObsElimination<double>(n, width, pending: 8);
                var expected = new Outcome(weights, active.Length);
                var actual = new Outcome(weights, active.Length);
                var steps = method(eager, inverse, expected);
                Assert.Equal(steps, method(fast, inverse, actual));
                AssertSame(expected, actual, steps.Steps, $"n = {n}");
                Assert.All(actual.Order[..steps.Steps], place => Assert.Contains(place, active));
                for (var i = 0; i < n; i++)
                    Assert.True(active.Contains(i) || actual.Weights[i] == 0);
            }
        }
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Exact_ties_go_to_the_lowest_column(KernelWidth width)
    {
        // Everything is a power of two: scores tie exactly and rounding never decides.
        foreach (var n in s_sizes)
        {
            using var inverse = new Matrix<double>(n, n);
            for (var i = 0; i < n; i++)
                inverse[i, i] = 1;
            var weights = Enumerable.Range(0, n).Select(i => i % 3 == 0 ? -0.5 : 0.5).ToArray();
            foreach (var pending in s_pending)
            {
                using var fast = new ObsElimination<double>(n, width, pending);
                var x = new Outcome(weights, n);
                Assert.True(fast.Prune(inverse, [], x.Weights, x.Order, x.Losses).Completed);
                Assert.Equal(Enumerable.Range(0, n), x.Order);
                var q = new Outcome(weights, n);
                Assert.True(fast.Quantize(inverse, [], q.Weights, new(1, 1, 3), q.Codes, q.Order, q.Losses).Completed);
                Assert.Equal(Enumerable.Range(0, n), q.Order);
            }
        }
    }

    [Fact]
    public void Every_width_gives_the_same_bits()
    {
        var random = new Random(23);
        foreach (var n in new[] { 5, 33, 100, 161 })
        {
            using var inverse = Problem.Invert(Problem.Hessian(random, n), n);
            using var floats = inverse.Convert<float>();
            var row = Problem.Row(random, n);

            // The 512-bit kernels too: where the machine has no such vectors, .NET makes them of narrower ones.
            using var wide = new LazyElimination<double, Vector512<double>, Simd512<double>>(n, 16);
            using var wideFloats = new LazyElimination<float, Vector512<float>, Simd512<float>>(n, 16);
            var expected = Bits(wide, inverse, row);
            var expectedFloats = Bits(wideFloats, floats, [.. row.Select(w => (float)w)]);
            foreach (var width in KernelWidths.Supported)
            {
                using var elimination = new ObsElimination<double>(n, width, pending: 16);
                using var floatElimination = new ObsElimination<float>(n, width, pending: 16);
                Assert.Equal(expected, Bits(elimination, inverse, row));
                Assert.Equal(expectedFloats, Bits(floatElimination, floats, [.. row.Select(w => (float)w)]));
            }
        }
    }

    /// <summary>Losses and weights of all methods on one row.</summary>
    private static double[] Bits<T>(IRowElimination<T> elimination, Matrix<T> inverse, T[] row)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var n = row.Length;
        var all = new List<double>();
        foreach (var method in new Func<T[], double[], EliminationResult>[]
        {
            (weights, losses) => elimination.Prune(inverse, [], weights, new int[n * 2 / 3], losses),
            (weights, losses) => elimination.PruneGroups(inverse, [], weights, 2, 4, new int[n], losses),
            (weights, losses) => elimination.PruneBlocks(inverse, [], weights, n % 5 == 0 ? 5 : 1, new int[n / 7], losses),
            (weights, losses) => elimination.Quantize(inverse, [], weights, new(T.CreateTruncating(0.1), 8, 15), new int[n], new int[n], losses),
        })
        {
            var (weights, losses) = ((T[])row.Clone(), new double[n]);
            Assert.True(method(weights, losses).Completed);
            all.AddRange(losses);
            all.AddRange(weights.Select(double.CreateTruncating));
        }

        return [.. all];
    }

    private static void Compare(KernelWidth width, Func<int, int> steps, Method method, int multiple = 1)
    {
        foreach (var size in s_sizes)
        {
            var n = size * multiple;
            if (n > s_sizes[^1])
                continue;
            var inverse = Problem.SharedInverse(n);
            var row = Problem.Row(new Random(n), n);
            using var eager = new EagerElimination<double>(n, width);
            var expected = new Outcome(row, steps(n));
            var result = method(eager, inverse, expected);
            Assert.True(result.Completed);
            foreach (var pending in s_pending.Where(pending => pending >= multiple))
            {
                // A workspace larger than the row, as in a solver that goes on to smaller rows.
                using var fast = new ObsElimination<double>(n + 3, width, pending);
                var actual = new Outcome(row, steps(n));
                Assert.Equal(result, method(fast, inverse, actual));
                AssertSame(expected, actual, result.Steps, $"n = {n}, B = {pending}");
            }
        }
    }

    private static void AssertSame(Outcome expected, Outcome actual, int steps, string where)
    {
        Assert.True(expected.Order.AsSpan(0, steps).SequenceEqual(actual.Order.AsSpan(0, steps)), where);
        Assert.Equal(expected.Codes, actual.Codes);
        var mean = expected.Losses.Sum() / Math.Max(steps, 1);
        for (var i = 0; i < steps; i++)
            Assert.True(Math.Abs(expected.Losses[i] - actual.Losses[i]) <= LossTolerance * Math.Max(expected.Losses[i], mean), $"{where}, step {i}: {expected.Losses[i]:R} {actual.Losses[i]:R}");
        for (var i = 0; i < expected.Weights.Length; i++)
            Assert.True(Math.Abs(expected.Weights[i] - actual.Weights[i]) <= WeightTolerance, where);
    }

    private sealed class Outcome(double[] weights, int steps)
    {
        public double[] Weights { get; } = (double[])weights.Clone();

        public int[] Codes { get; } = new int[weights.Length];

        public int[] Order { get; } = new int[steps];

        public double[] Losses { get; } = new double[steps];
    }
}
