using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Tests.Reference;
using Orchestrator.Compression.Tests.Solvers;
using Orchestrator.Jobs;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Hessians;

public sealed class HessianPreparationTests
{
    // Residual of a double inverse of a well-conditioned matrix of a few dozen columns.
    private const double Residual = 1e-9;

    // A sum of a few hundred products in double, in another order.
    private const double SumTolerance = 1e-12;

    [Fact]
    public void The_inverse_is_that_of_the_damped_hessian()
    {
        using var layer = SmallLayer.Random(1, 4, 24, groups: 2);
        var result = HessianPreparation.Invert(layer.Hessian, 0.01);
        using var inverse = result.Inverse;
        Assert.Empty(result.Rescues);
        for (var group = 0; group < 2; group++)
        {
            var h = layer.Hessian[group];
            var lambda = 0.01 * HessianPreparation.MeanDiagonal(h);
            Assert.Equal(lambda, inverse.Lambdas[group]);
            AssertIdentity(h, lambda, inverse[group]);
        }
    }

    [Fact]
    public void Dead_columns_are_decoupled_and_reported()
    {
        using var layer = SmallLayer.Random(2, 3, 10, dead: [3, 7]);
        var result = HessianPreparation.Invert(layer.Hessian, 1e-4);
        using var inverse = result.Inverse;
        Assert.Equal("dead-columns", Assert.Single(result.Rescues).Kind);
        Assert.StartsWith("2 columns", result.Rescues[0].Detail, StringComparison.Ordinal);
        foreach (var dead in (int[])[3, 7])
        {
            for (var j = 0; j < 10; j++)
                Assert.Equal(dead == j, inverse[0][dead, j] != 0);
        }
    }

    [Fact]
    public void Damping_is_raised_tenfold_until_the_inverse_exists_and_reported()
    {
        using var layer = SmallLayer.Random(3, 3, 20, samples: 6);
        var result = HessianPreparation.Invert(layer.Hessian, 0);
        using var inverse = result.Inverse;
        var rescue = Assert.Single(result.Rescues);
        Assert.Equal("damping-raised", rescue.Kind);
        Assert.Contains("1E-06", rescue.Detail, StringComparison.OrdinalIgnoreCase);
        Assert.Equal(1e-6 * HessianPreparation.MeanDiagonal(layer.Hessian[0]), inverse.Lambdas[0]);
    }

    [Fact]
    public void The_ladder_starts_with_the_damping_asked_for_and_repeats_no_rung()
    {
        Assert.Equal([0, 2e-6, 2e-5], DampedInverse.Ladder(2, 0).Take(3), (x, y) => Math.Abs(x - y) < SumTolerance);
        Assert.Equal([2e-4, 2e-3], DampedInverse.Ladder(2, 2e-4).Take(2), (x, y) => Math.Abs(x - y) < SumTolerance);
    }

    [Theory]
    [InlineData("hessian-not-finite", double.NaN, 0, 1)]
    [InlineData("hessian-not-finite", double.PositiveInfinity, 1, 1)]
    [InlineData("hessian-not-semidefinite", -1, 2, 2)]
    [InlineData("hessian-not-symmetric", 0.5, 0, 2)]
    public void What_is_no_hessian_is_refused(string code, double value, int row, int column)
    {
        using var hessian = LayerHessian.FromValues([2, 1, 0, 1, 2, 1, 0, 1, 2], 1, 3);
        hessian[0][row, column] = value;
        Assert.Equal(code, Assert.Throws<InputException>(() => HessianPreparation.Invert(hessian, 0)).Code);
    }

    [Fact]
    public void An_indefinite_matrix_is_refused()
    {
        using var hessian = LayerHessian.FromValues([1, 1e5, 1e5, 1], 1, 2);
        Assert.Equal("hessian-not-semidefinite", Assert.Throws<InputException>(() => HessianPreparation.Invert(hessian, 0)).Code);
    }

    [Fact]
    public void Blobs_come_back_as_they_were_written()
    {
        using var layer = SmallLayer.Random(4, 4, 6, groups: 2);
        using var hessian = LayerHessian.FromValues(layer.Hessian.ToArray(), 2, 6);
        Assert.Equal(layer.Hessian.ToArray(), hessian.ToArray());
        using var inverse = HessianPreparation.Invert(hessian, 0.5).Inverse;
        Assert.Equal(LayerInverse.ValueCount(2, 6), inverse.ToArray().Length);
        using var copy = LayerInverse.FromValues(inverse.ToArray(), 2, 6);
        Assert.Equal(inverse.ToArray(), copy.ToArray());
        Assert.Equal(inverse.Lambdas, copy.Lambdas);
        Assert.Throws<ArgumentException>(() => LayerInverse.FromValues(inverse.ToArray().AsSpan(1), 2, 6));
        Assert.Throws<ArgumentException>(() => LayerHessian.FromValues(hessian.ToArray(), 3, 6));
    }

    [Fact]
    public void Columns_are_reordered_as_the_reference_reorders_them_and_back()
    {
        using var layer = new ReferenceLayer("blocks.2.conv1");
        var order = ColumnOrder.ChannelsLast(layer.Shape.Columns, layer.Shape.KernelPositions);
        using var permuted = order.Apply(layer.Weights);
        using var expected = layer.LoadMatrix("W.channels-last");
        Assert.Equal(expected.ToArray(), permuted.ToArray());
        using var restored = order.Undo(permuted);
        Assert.Equal(layer.Weights.ToArray(), restored.ToArray());
        using var hessian = layer.Hessian.Permute(order);
        Assert.Equal(layer.Hessian[0][9, 0], hessian[0][1, 0]);
        Assert.Throws<ArgumentException>(() => ColumnOrder.ChannelsLast(10, 3));
    }

    [Theory]
    [InlineData(1, 1)]
    [InlineData(5, 7)]
    [InlineData(19, 33)]
    public void The_loss_is_the_quadratic_form_whatever_rows_share_a_pass(int rows, int columns)
    {
        using var layer = SmallLayer.Random(5, rows, columns);
        using var changed = SmallLayer.Random(6, rows, columns).Weights.Clone();
        var losses = LayerLoss.PerRow(changed, layer.Weights, layer.Hessian, layer.Shape, 0);
        Assert.InRange(losses.Sum() / layer.Loss(changed), 1 - SumTolerance, 1 + SumTolerance);
        for (var row = 0; row < rows; row++)
        {
            using var part = SmallLayer.Cut(changed, row, 1);
            using var original = SmallLayer.Cut(layer.Weights, row, 1);
            Assert.Equal(losses[row], Assert.Single(LayerLoss.PerRow(part, original, layer.Hessian, layer.Shape, row)));
        }
    }

    private static void AssertIdentity(Matrix<double> h, double lambda, Matrix<double> inverse)
    {
        for (var i = 0; i < h.Rows; i++)
        {
            for (var j = 0; j < h.Rows; j++)
            {
                var sum = lambda * inverse[i, j];
                for (var k = 0; k < h.Rows; k++)
                    sum += h[i, k] * inverse[k, j];
                Assert.Equal(i == j ? 1 : 0, sum, Residual);
            }
        }
    }
}
