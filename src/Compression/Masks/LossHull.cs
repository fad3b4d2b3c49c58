namespace Orchestrator.Compression.Masks;

/// <summary>The lower convex hulls of rows' summed losses. Segments in order of slope give the best mask wherever they end on a vertex (algorithms.md 5.5).</summary>
internal static class LossHull
{
    /// <summary>Takes whole segments in order of slope, the lower row first, while they fit.</summary>
    /// <param name="cumulative">Per row, the loss of its first k removals, k from 0.</param>
    /// <param name="total">Removals of all rows together.</param>
    /// <returns>Counts, the slope of the first segment that does not fit, and the removals that are left.</returns>
    public static (int[] Counts, double Slope, int Left) Fill(double[][] cumulative, int total)
    {
        var segments = new List<(double Slope, int Row, int Length)>();
        for (var row = 0; row < cumulative.Length; row++)
            AddSegments(cumulative[row], row, segments);
        segments.Sort((a, b) => a.Slope != b.Slope ? a.Slope.CompareTo(b.Slope) : a.Row.CompareTo(b.Row));
        var counts = new int[cumulative.Length];
        var slope = 0.0;
        foreach (var segment in segments)
        {
            slope = segment.Slope;
            if (segment.Length > total)
                break;
            counts[segment.Row] += segment.Length;
            total -= segment.Length;
        }

        return (counts, slope, total);
    }

    private static void AddSegments(double[] sums, int row, List<(double Slope, int Row, int Length)> segments)
    {
        var vertices = new List<int> { 0 };
        for (var k = 1; k < sums.Length; k++)
        {
            while (vertices.Count > 1 && Slope(sums, vertices[^2], vertices[^1]) >= Slope(sums, vertices[^1], k))
                vertices.RemoveAt(vertices.Count - 1);
            vertices.Add(k);
        }

        for (var i = 1; i < vertices.Count; i++)
            segments.Add((Slope(sums, vertices[i - 1], vertices[i]), row, vertices[i] - vertices[i - 1]));
    }

    private static double Slope(double[] sums, int from, int to) => (sums[to] - sums[from]) / (to - from);
}
