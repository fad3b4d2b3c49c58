using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Grids;

/// <summary>The range that a grid spans. Minimum ≤ 0 ≤ Maximum, and never empty.</summary>
internal readonly record struct WeightRange(double Minimum, double Maximum)
{
    /// <summary>
    /// The row's extremes widened to hold 0. Symmetric: [−a, a] with a = max |w|, also where no weight is negative (keeping the
    /// minimum at 0 there, as the reference code does, would clip the upper half of the values).
    /// A range too small for a normal scale becomes [−1, 1], which maps the whole row to 0.
    /// </summary>
    public static WeightRange Of(ReadOnlySpan<float> row, int bits, QuantizationScheme scheme)
    {
        double minimum = 0, maximum = 0;
        foreach (var w in row)
        {
            minimum = Math.Min(minimum, w);
            maximum = Math.Max(maximum, w);
        }

        if (scheme == QuantizationScheme.Symmetric)
        {
            maximum = Math.Max(maximum, -minimum);
            minimum = -maximum;
        }

        var smallestScale = (float)((maximum - minimum) * RangeSearch.SmallestFactor / ((1 << bits) - 1));
        return float.IsNormal(smallestScale) ? new(minimum, maximum) : new(-1, 1);
    }
}
