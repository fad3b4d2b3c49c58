namespace Orchestrator.Numerics.Tests;

public sealed class LinearAlgebraTests
{
    // Backward error of a stable factorisation is n·ε·‖A‖ at most (Higham, Accuracy and Stability, theorem 10.3); with slack for our norms.
    private const double ResidualPerColumn = 16 * 2.3e-16;

    // The same for float.
    private const double FloatResidualPerColumn = 16 * 1.2e-7;

    // Both sides sum the same products in another order.
    private const double SumTolerance = 1e-12;

    // Condition of the test matrices (damping 1e-2 against entries of order 1) times ε, with two digits to spare.
    private const double SolveTolerance = 1e-10;

    /// <summary>Every length past the tiles and vectors of the widest kernel, then the edges of the blocks.</summary>
    private static readonly int[] s_sizes = [.. Enumerable.Range(0, 35), 63, 64, 65, 95, 96, 97, 128, 129, 200, 300];

    [Theory]
    [ClassData(typeof(Widths))]
    public void The_factor_times_its_transpose_is_the_matrix(KernelWidth width)
    {
        foreach (var n in s_sizes)
        {
            var h = Problem.Hessian(new Random(n), n);
            using var l = Matrix<double>.FromRows(h, n, n);
            Assert.True(Cholesky.TryFactor(l, out var pivot, width));
            Assert.Equal(-1, pivot);
            Assert.True(FactorResidual(h, l) <= ResidualPerColumn * Math.Max(n, 1), $"n = {n}: {FactorResidual(h, l)}");
        }
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void The_inverse_times_the_matrix_is_the_identity(KernelWidth width)
    {
        foreach (var n in s_sizes)
        {
            var h = Problem.Hessian(new Random(n), n);
            using var inverse = Matrix<double>.FromRows(h, n, n);
            Assert.True(SymmetricInverse.TryInvert(inverse, out _, width));
            AssertIdentity(h, inverse, SolveTolerance);
            AssertSymmetric(inverse);
        }
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Float_matrices_are_inverted_to_float_precision(KernelWidth width)
    {
        foreach (var n in new[] { 1, 7, 33, 64, 130 })
        {
            // Diagonally dominant, so that the condition number stays near 1.
            var h = Problem.Hessian(new Random(n), n, damping: n);
            using var exact = Matrix<double>.FromRows(h, n, n);
            using var inverse = exact.Convert<float>();
            Assert.True(SymmetricInverse.TryInvert(inverse, out _, width));
            AssertIdentity(h, inverse.Convert<double>(), FloatResidualPerColumn * n);
        }
    }

    [Fact]
    public void Every_width_gives_the_same_bits()
    {
        foreach (var n in s_sizes)
        {
            var h = Problem.Hessian(new Random(n), n);
            using var expected = Matrix<double>.FromRows(h, n, n);
            Assert.True(SymmetricInverse.TryInvert(expected, out _, KernelWidth.Scalar));
            foreach (var width in KernelWidths.Supported)
            {
                using var inverse = Matrix<double>.FromRows(h, n, n);
                Assert.True(SymmetricInverse.TryInvert(inverse, out _, width));
                Assert.Equal(expected.ToArray(), inverse.ToArray());
            }
        }
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void A_matrix_that_is_not_positive_definite_is_refused_with_the_pivot(KernelWidth width)
    {
        foreach (var (n, bad) in new[] { (1, 0), (5, 3), (70, 0), (70, 63), (70, 64), (130, 129) })
        {
            foreach (var value in new[] { 0.0, -1, double.NaN, double.PositiveInfinity })
            {
                using var a = new Matrix<double>(n, n);
                for (var i = 0; i < n; i++)
                    a[i, i] = 2;
                a[bad, bad] = value;
                Assert.False(Cholesky.TryFactor(a, out var pivot, width));
                Assert.Equal(bad, pivot);
            }
        }
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void A_rank_k_update_equals_plain_sums(KernelWidth width)
    {
        var random = new Random(5);
        foreach (var n in s_sizes.Where(n => n < 130))
        {
            foreach (var k in n % 32 == 1 ? [0, 1, 3, 300] : new[] { 2 })
            {
                var a = Problem.Row(random, n * k);
                var before = Problem.Hessian(random, n);
                using var c = Matrix<double>.FromRows(before, n, n);
                using var operand = Matrix<double>.FromRows(a, n, k);
                SymmetricRankK.Update(c, 0.5, -2, operand, width);
                for (var i = 0; i < n; i++)
                {
                    for (var j = 0; j < n; j++)
                    {
                        var sum = 0.0;
                        for (var q = 0; q < k; q++)
                            sum += a[i * k + q] * a[j * k + q];
                        Assert.Equal(0.5 * before[i * n + j] - 2 * sum, c[i, j], SumTolerance * (k + 1));
                    }
                }
            }
        }
    }

    [Fact]
    public void Beta_zero_forgets_what_was_there()
    {
        using var c = new Matrix<float>(3, 3);
        for (var i = 0; i < 3; i++)
            c.Row(i).Fill(float.NaN);
        using var a = Matrix<float>.FromRows([1, 2, 3], 3, 1);
        SymmetricRankK.Update(c, 0, 1, a);
        Assert.Equal([1f, 2, 3, 2, 4, 6, 3, 6, 9], c.ToArray());
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Solving_gives_back_the_vector_that_was_multiplied(KernelWidth width)
    {
        foreach (var n in s_sizes)
        {
            var random = new Random(n);
            var h = Problem.Hessian(random, n);
            var x = Problem.Row(random, n);
            var b = new double[n];
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                    b[i] += h[i * n + j] * x[j];
            }

            using var a = Matrix<double>.FromRows(h, n, n);
            Assert.True(Cholesky.TrySolve<double>(a, b, width));
            for (var i = 0; i < n; i++)
                Assert.Equal(x[i], b[i], SolveTolerance);
        }
    }

    [Fact]
    public void Shapes_that_do_not_fit_are_refused()
    {
        using var wide = new Matrix<double>(2, 3);
        using var square = new Matrix<double>(3, 3);
        Assert.Throws<ArgumentException>(() => Cholesky.TryFactor(wide, out _));
        Assert.Throws<ArgumentException>(() => SymmetricInverse.TryInvert(wide, out _));
        Assert.Throws<ArgumentException>(() => SymmetricRankK.Update(square, 1.0, 1.0, wide));
        Assert.Throws<ArgumentException>(() => TriangularSolve.Lower(square, new double[2]));
    }

    private static double FactorResidual(double[] h, Matrix<double> l)
    {
        var worst = 0.0;
        var largest = 1e-300;
        for (var i = 0; i < l.Rows; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = 0.0;
                for (var k = 0; k <= j; k++)
                    sum += l[i, k] * l[j, k];
                worst = Math.Max(worst, Math.Abs(sum - h[i * l.Rows + j]));
                largest = Math.Max(largest, Math.Abs(h[i * l.Rows + j]));
            }
        }

        return worst / largest;
    }

    private static void AssertIdentity(double[] h, Matrix<double> inverse, double tolerance)
    {
        var n = inverse.Rows;
        var values = inverse.ToArray();
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
            {
                var sum = 0.0;
                for (var k = 0; k < n; k++)
                    sum += h[i * n + k] * values[j * n + k];
                Assert.Equal(i == j ? 1 : 0, sum, tolerance);
            }
        }
    }

    private static void AssertSymmetric(Matrix<double> a)
    {
        for (var i = 0; i < a.Rows; i++)
        {
            for (var j = 0; j < i; j++)
                Assert.Equal(a[i, j], a[j, i]);
        }
    }
}
