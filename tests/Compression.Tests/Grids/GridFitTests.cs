using System.Runtime.Intrinsics;
using FsCheck;
using FsCheck.Fluent;
using Orchestrator.Compression.Grids;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Grids;

public sealed class GridFitTests
{
    // A scale is stored as float32, and the shortest golden value of 9.4 has seven digits.
    private const double ScaleTolerance = 2.5e-7;

    // A scale that is off by half a float32 step moves the error by about as much.
    private const double ErrorTolerance = 1e-6;

    // What ErrorPower promises.
    private const double PowerTolerance = 1e-10;

    // One rounding of the quotient, one of the product, in units of the scale and per level.
    private const float RoundTripSlack = 1e-5f;

    [Theory]
    [InlineData(2, QuantizationScheme.Symmetric, 31, 1.55293397, 2, 24.95135199)]
    [InlineData(2, QuantizationScheme.Asymmetric, 31, 1.55293397, 2, 24.95135199)]
    [InlineData(3, QuantizationScheme.Symmetric, 12, 0.84880863, 4, 4.44897770)]
    [InlineData(3, QuantizationScheme.Asymmetric, 12, 0.84880863, 4, 4.44897770)]
    [InlineData(4, QuantizationScheme.Symmetric, 6, 0.42311824, 8, 0.78677949)]
    [InlineData(8, QuantizationScheme.Symmetric, 0, 0.02647799, 128, 0.00071955)]
    [InlineData(8, QuantizationScheme.Asymmetric, 0, 0.02647799, 128, 0.00071955)]
    public void The_search_finds_the_golden_scales_of_9_4(int bits, QuantizationScheme scheme, int step, double scale, int zero, double error)
    {
        var best = RangeSearch.Best(Tangents(), WeightRange.Of(Tangents(), bits, scheme), bits, scheme);
        Assert.Equal(step, best.Step);
        Assert.InRange(best.Grid.Scale / scale, 1 - ScaleTolerance, 1 + ScaleTolerance);
        Assert.Equal(zero, best.Grid.Zero);

        // The eight-bit error is printed with five digits in 9.4.
        Assert.InRange(best.Error / error, 1 - (bits == 8 ? 1e-4 : ErrorTolerance), 1 + (bits == 8 ? 1e-4 : ErrorTolerance));
        Assert.Equal(best.Grid, GridFit.Row(Tangents(), bits, GridKind.Mse, scheme));
    }

    [Fact]
    public void The_four_bit_asymmetric_search_of_9_4_may_round_its_zero_either_way()
    {
        var best = RangeSearch.Best(Tangents(), WeightRange.Of(Tangents(), 4, QuantizationScheme.Asymmetric), 4, QuantizationScheme.Asymmetric);
        Assert.Equal(6, best.Step);
        Assert.InRange(best.Grid.Zero, 7, 8);
        Assert.InRange(best.Error / 0.78677949, 1 - ErrorTolerance, 1 + ErrorTolerance);
    }

    [Fact]
    public void Ties_keep_the_larger_range()
    {
        // Any of the ranges holds the zero row without error; so does the full one.
        var range = new WeightRange(-1, 1);
        Assert.Equal(0, RangeSearch.Best(new float[4], range, 4, QuantizationScheme.Symmetric).Step);
    }

    [Theory]
    [InlineData(QuantizationScheme.Symmetric, 8)]
    // 1 / (2/15) is 7.5 up to the rounding of the scale, which falls below in float32.
    [InlineData(QuantizationScheme.Asymmetric, 7)]
    public void A_row_of_zeros_gets_the_range_from_minus_one_to_one(QuantizationScheme scheme, int zero)
    {
        var grid = GridFit.Row(new float[5], 4, GridKind.MinMax, scheme);
        Assert.Equal(2 / 15f, grid.Scale);
        Assert.Equal(zero, grid.Zero);
        Assert.Equal(0f, grid.Value(grid.Code(0)));
    }

    [Theory]
    [InlineData(1e-44f)]
    [InlineData(1e38f)]
    [InlineData(float.MaxValue)]
    public void Extreme_rows_get_finite_grids(float weight)
    {
        foreach (var kind in Enum.GetValues<GridKind>())
        {
            foreach (var scheme in Enum.GetValues<QuantizationScheme>())
            {
                var grid = GridFit.Row([weight, -weight, 0], 8, kind, scheme);
                Assert.True(float.IsNormal(grid.Scale));
                Assert.InRange(grid.Zero, 0, 255);
            }
        }
    }

    [Fact]
    public void The_range_always_holds_zero()
    {
        var positive = GridFit.Row([1f, 2f, 3f], 4, GridKind.MinMax, QuantizationScheme.Asymmetric);
        Assert.Equal((3 / 15f, 0), (positive.Scale, positive.Zero));
        var negative = GridFit.Row([-1f, -2f, -3f], 4, GridKind.MinMax, QuantizationScheme.Asymmetric);
        Assert.Equal((3 / 15f, 15), (negative.Scale, negative.Zero));
    }

    [Fact]
    public void A_symmetric_grid_of_positive_weights_does_not_clip_their_upper_half()
    {
        var grid = GridFit.Row([1f, 2f, 3f], 4, GridKind.MinMax, QuantizationScheme.Symmetric);
        Assert.Equal(6 / 15f, grid.Scale);
        Assert.Equal(8, grid.Zero);
        Assert.Equal(15, grid.Code(3f));
        Assert.InRange(grid.Value(15), 3f - grid.Scale / 2 - RoundTripSlack, 3f);
    }

    [Fact]
    public void Halves_go_to_the_even_level()
    {
        var grid = new RowGrid<float>(1, 8, 15);
        Assert.Equal([8, 10, 10, 6, 12], new[] { 0.5f, 1.5f, 2.5f, -1.5f, 3.5f }.Select(grid.Code));
    }

    [Fact]
    public void Every_weight_is_within_half_a_step_of_its_level_on_the_full_range() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Rows(), row =>
        {
            for (var bits = GridFit.MinimumBits; bits <= GridFit.MaximumBits; bits++)
            {
                foreach (var scheme in Enum.GetValues<QuantizationScheme>())
                {
                    var grid = GridFit.Row(row, bits, GridKind.MinMax, scheme);
                    foreach (var w in row)
                        Assert.True(MathF.Abs(grid.Value(grid.Code(w)) - w) <= grid.Scale * (0.5f + (grid.MaximumCode * RoundTripSlack)), $"{w} on {grid}");
                    Assert.Equal(0f, grid.Value(grid.Code(0f)));
                }
            }
        }));

    [Fact]
    public void The_search_is_never_worse_than_the_full_range() =>
        Check.One(Config.QuickThrowOnFailure, Prop.ForAll(Rows(), row =>
        {
            var mse = Error(row, GridFit.Row(row, 3, GridKind.Mse, QuantizationScheme.Asymmetric));
            var minMax = Error(row, GridFit.Row(row, 3, GridKind.MinMax, QuantizationScheme.Asymmetric));
            Assert.True(mse <= minMax * (1 + ErrorTolerance), $"{mse} > {minMax}");
        }));

    [Fact]
    public void The_power_is_right_over_its_whole_domain()
    {
        for (var exponent = -15.0; exponent <= 15; exponent += 0.037)
        {
            var e = Math.Pow(10, exponent);
            var power = ErrorPower.Raise(Vector256.Create(e, -e, 0, 1));
            var expected = Math.Pow(e, ErrorPower.Exponent);
            Assert.InRange(power[0] / expected, 1 - PowerTolerance, 1 + PowerTolerance);
            Assert.Equal(power[0], power[1]);
            Assert.Equal(0, power[2]);
            Assert.Equal(1, power[3], PowerTolerance);
        }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(9)]
    public void Other_widths_are_refused(int bits) =>
        Assert.Throws<ArgumentOutOfRangeException>(() => GridFit.Row([1f], bits, GridKind.MinMax, QuantizationScheme.Symmetric));

    private static float[] Tangents() => [.. Enumerable.Range(1, 99).Select(k => (float)Math.Tan(Math.PI * (k - 50) / 120))];

    private static Arbitrary<float[]> Rows() => Gen.Choose(-1000, 1000).Select(i => i / 773f).NonEmptyListOf().Select(list => list.ToArray()).ToArbitrary();

    private static double Error(float[] row, RowGrid<float> grid) =>
        row.Sum(w => Math.Pow(Math.Abs((double)grid.Value(grid.Code(w)) - w), ErrorPower.Exponent));
}
