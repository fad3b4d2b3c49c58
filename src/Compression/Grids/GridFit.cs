using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Grids;

/// <summary>
/// The levels of a weight row: OBC's uniform grids, symmetric and asymmetric (algorithms.md 0.2, G-OBC-sym and G-OBC-asym).
/// Every grid holds 0 exactly, so that pruned weights stay exact zeros. A row's grid depends on that row alone.
/// </summary>
public static class GridFit
{
    public const int MinimumBits = 2;
    public const int MaximumBits = 8;

    /// <summary>One grid a row.</summary>
    /// <param name="weights">[rows × columns], finite.</param>
    /// <param name="bits">Width of a code, <see cref="MinimumBits"/> to <see cref="MaximumBits"/>.</param>
    public static RowGrid<float>[] Rows(Matrix<float> weights, int bits, GridKind kind, QuantizationScheme scheme)
    {
        var grids = new RowGrid<float>[weights.Rows];
        for (var row = 0; row < weights.Rows; row++)
            grids[row] = Row(weights.Row(row), bits, kind, scheme);
        return grids;
    }

    /// <summary>The grid of one row: of its full range, or of the shrunken range with the smallest L2.4 error.</summary>
    /// <exception cref="ArgumentOutOfRangeException">Bits outside the supported range.</exception>
    public static RowGrid<float> Row(ReadOnlySpan<float> row, int bits, GridKind kind, QuantizationScheme scheme)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(bits, MinimumBits);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(bits, MaximumBits);
        var range = WeightRange.Of(row, bits, scheme);
        return kind == GridKind.Mse ? RangeSearch.Best(row, range, bits, scheme).Grid : FromRange(range, 1, bits, scheme);
    }

    /// <summary>
    /// Scale and zero of a range shrunken by a factor: s = factor · (max − min) / (2^b − 1), z = round(−min / s), or 2^(b−1) where
    /// the grid is symmetric.
    /// </summary>
    /// <remarks>
    /// In float32, operation by operation as the original code: one unit in the last place of s moves a weight near a rounding tie to
    /// the other side, and OBQ's whole path with it.
    /// </remarks>
    internal static RowGrid<float> FromRange(WeightRange range, double factor, int bits, QuantizationScheme scheme)
    {
        var maximumCode = (1 << bits) - 1;
        var minimum = (float)factor * (float)range.Minimum;
        var maximum = (float)factor * (float)range.Maximum;
        var width = maximum - minimum;
        var scale = float.IsInfinity(width) ? (maximum / maximumCode) - (minimum / maximumCode) : width / maximumCode;
        var zero = scheme == QuantizationScheme.Symmetric ? 1 << (bits - 1) : (int)MathF.Round(-minimum / scale);
        return new(scale, zero, maximumCode);
    }
}
