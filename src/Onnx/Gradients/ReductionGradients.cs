namespace Orchestrator.Onnx.Gradients;

/// <summary>Sums and means over axes.</summary>
internal static class ReductionGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["ReduceSum"] = (c, n, dy) => Reduce(c, n, dy, isMean: false),
        ["ReduceMean"] = (c, n, dy) => Reduce(c, n, dy, isMean: true),
        ["GlobalAveragePool"] = (c, n, dy) => c.FlowWhole(n, 0, () => Spread(c, n, dy, [.. c.Shape(n, n.Output)], isMean: true)),
    };

    private static void Reduce(GradientContext c, Node node, string dy, bool isMean)
    {
        var x = c.Shape(node, 0);
        var axes = c.Integers(node, "axes", 1) is { Length: > 0 } given ? [.. given.Select(a => a < 0 ? a + x.Count : a)]
            : node.Int("noop_with_empty_axes", 0) != 0 ? new HashSet<long>()
            : [.. Enumerable.Range(0, x.Count).Select(i => (long)i)];
        c.FlowWhole(node, 0, () => Spread(c, node, dy, [.. x.Select((d, i) => axes.Contains(i) ? 1 : d)], isMean));
    }

    private static string Spread(GradientContext c, Node node, string dy, long[] kept, bool isMean)
    {
        var x = c.Shape(node, 0);
        var count = x.Zip(kept, (whole, part) => part == 1 ? whole : 1).Aggregate(1L, (a, b) => a * b);
        var scaled = isMean ? c.Scale(dy, 1.0 / count) : dy;
        var shaped = kept.SequenceEqual(c.Shape(node, node.Output)) ? scaled : c.Reshape(scaled, kept);
        return c.Builder.Add("Expand", [shaped, c.Builder.Vector([.. x])]);
    }
}
