using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class SoftRoundingTests
{
    // algorithms.md 2.4: h(V0) equals r within 1e-6, in units of the scale; the quotient of a float32 near 256 has steps of 1.5e-5.
    private const double StartTolerance = 3.2e-5;

    private const int Rows = 4;
    private const int Columns = 25;

    [Theory]
    [InlineData(2)]
    [InlineData(3)]
    [InlineData(4)]
    [InlineData(8)]
    public void At_the_start_every_weight_within_its_grid_is_itself(int bits)
    {
        using var weights = Weights();
        var grids = GridFit.Rows(weights, bits, GridKind.MinMax, QuantizationScheme.Asymmetric);
        var rounding = new SoftRounding(weights, grids, keepsZeros: false);
        var (floors, start) = (rounding.Floors(), rounding.Start());
        for (var i = 0; i < Rows * Columns; i++)
        {
            var quotient = weights.Row(i / Columns)[i % Columns] / grids[i / Columns].Scale;
            Assert.InRange(floors[i] + RectifiedSigmoid.Value(start[i]), quotient - StartTolerance, quotient + StartTolerance);
        }
    }

    [Theory]
    [InlineData(2, GridKind.Mse)]
    [InlineData(4, GridKind.Mse)]
    [InlineData(8, GridKind.MinMax)]
    public void Roundings_decided_where_they_begin_are_the_nearest(int bits, GridKind kind)
    {
        using var weights = Weights();
        var rounding = new SoftRounding(weights, GridFit.Rows(weights, bits, kind, QuantizationScheme.Asymmetric), keepsZeros: false);
        var codes = rounding.Harden(rounding.Start());

        Assert.Equal(rounding.Nearest(), codes);
        Assert.Equal(0, rounding.Flipped(codes));
    }

    [Fact]
    public void Roundings_go_to_the_two_levels_round_a_weight_and_no_further_than_the_grid()
    {
        using var weights = Matrix<float>.FromRows([0.25f, -0.75f, 9f, -9f], 1, 4);
        var rounding = new SoftRounding(weights, [new RowGrid<float>(0.5f, 2, 3)], keepsZeros: false);

        Assert.Equal([3, 1, 3, 0], rounding.Harden([1, 1, 1, 1]));
        Assert.Equal([2, 0, 3, 0], rounding.Harden([-1, -1, -1, -1]));
        // 0.25 is a tie, which the nearest code puts to the even quotient 0, and −0.75 one that it puts to −2.
        Assert.Equal(0.5, rounding.Flipped(rounding.Harden([1, 1, 1, 1])));
    }

    [Fact]
    public void Pruned_weights_keep_the_code_of_zero_and_are_not_tuned()
    {
        using var weights = Matrix<float>.FromRows([0, 0.3f, 0, -0.2f], 1, 4);
        var grid = new RowGrid<float>(0.5f, 2, 3);
        var pruned = new SoftRounding(weights, [grid], keepsZeros: true);

        Assert.Equal([0, 1, 0, 1], pruned.Trained());
        Assert.Equal([2, 3, 2, 2], pruned.Harden([3, 3, 3, 3]));
        Assert.Equal([1, 1, 1, 1], new SoftRounding(weights, [grid], keepsZeros: false).Trained());
    }

    [Fact]
    public void Decided_roundings_are_counted_among_the_tuned_ones()
    {
        using var weights = Matrix<float>.FromRows([0, 0.3f, 0.1f, -0.2f], 1, 4);
        var rounding = new SoftRounding(weights, [new RowGrid<float>(0.5f, 2, 3)], keepsZeros: true);

        Assert.Equal(2 / 3.0, rounding.Converged([0, 5, -5, 0]));
        using var nothing = Matrix<float>.FromRows([0, 0], 1, 2);
        Assert.Equal(1, new SoftRounding(nothing, [new RowGrid<float>(1, 2, 3)], keepsZeros: true).Converged([0, 0]));
    }

    [Fact]
    public void What_does_not_fit_the_weights_is_refused()
    {
        using var weights = Weights();
        var rounding = new SoftRounding(weights, GridFit.Rows(weights, 4, GridKind.Mse, QuantizationScheme.Asymmetric), keepsZeros: false);
        Assert.Throws<ArgumentException>(() => rounding.Harden([1]));
        Assert.Throws<ArgumentException>(() => new SoftRounding(weights, [], keepsZeros: false));
    }

    private static Matrix<float> Weights()
    {
        var random = new Random(11);
        return Matrix<float>.FromRows([.. Enumerable.Range(0, Rows * Columns).Select(_ => (float)(random.NextDouble() - 0.4))], Rows, Columns);
    }
}
