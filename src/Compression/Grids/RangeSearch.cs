using System.Runtime.Intrinsics;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Grids;

/// <summary>
/// The Lp scale search of algorithms.md 0.3: of 80 ranges, shrunken in steps of 1 %, the one whose grid has the smallest
/// Σ |xq − x|^2.4 over the row. Ties keep the larger range.
/// </summary>
/// <remarks>
/// The lanes of a vector are candidates, not weights: one pass over the row, and each candidate's sum is taken over the
/// weights in order, in double, whatever the vector width of the machine.
/// </remarks>
internal static class RangeSearch
{
    private const int Candidates = 80;
    private const double Step = 0.01;

    public const double SmallestFactor = 1 - (Candidates - 1) * Step;

    private static readonly int s_lanes = Vector256<double>.Count;

    /// <returns>The best grid, its step (0 is the full range) and its error.</returns>
    public static (RowGrid<float> Grid, int Step, double Error) Best(ReadOnlySpan<float> row, WeightRange range, int bits, QuantizationScheme scheme)
    {
        Span<double> scales = stackalloc double[Candidates];
        Span<double> zeros = stackalloc double[Candidates];
        Span<double> errors = stackalloc double[Candidates];
        errors.Clear();
        for (var i = 0; i < Candidates; i++)
        {
            var grid = Candidate(range, i, bits, scheme);
            scales[i] = grid.Scale;
            zeros[i] = grid.Zero;
        }

        // Errors are taken in units of the range: the powers then neither underflow nor overflow for any weights.
        var unit = 1 / (range.Maximum - range.Minimum);
        AddErrors(row, scales, zeros, (1 << bits) - 1, unit, errors);

        var best = 0;
        for (var i = 1; i < Candidates; i++)
        {
            if (errors[i] < errors[best])
                best = i;
        }

        return (Candidate(range, best, bits, scheme), best, errors[best] / Math.Pow(unit, ErrorPower.Exponent));
    }

    private static RowGrid<float> Candidate(WeightRange range, int step, int bits, QuantizationScheme scheme) =>
        GridFit.FromRange(range, 1 - step * Step, bits, scheme);

    private static void AddErrors(ReadOnlySpan<float> row, ReadOnlySpan<double> scales, ReadOnlySpan<double> zeros, int maximumCode, double unit, Span<double> errors)
    {
        var top = Vector256.Create((double)maximumCode);
        foreach (var weight in row)
        {
            var x = Vector256.Create((double)weight);
            for (var i = 0; i < Candidates; i += s_lanes)
            {
                var s = Vector256.Create(scales[i..]);
                var z = Vector256.Create(zeros[i..]);
                var code = Vector256.Round(x / s) + z;
                code = Vector256.Min(Vector256.Max(code, Vector256<double>.Zero), top);
                var e = ErrorPower.Raise(((code - z) * s - x) * unit);
                (Vector256.Create<double>(errors[i..]) + e).CopyTo(errors[i..]);
            }
        }
    }
}
