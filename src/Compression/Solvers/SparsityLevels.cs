namespace Orchestrator.Compression.Solvers;

/// <summary>The sparsities of a level database (algorithms.md 5.5; the original code's default): each keeps nine tenths of what the one before kept, and the last is the most.</summary>
public static class SparsityLevels
{
    /// <summary>Densities of neighbouring levels: 0.9^k.</summary>
    private const decimal Ratio = 0.9m;

    /// <summary>0, 0.1, 0.19, 0.271, … 0.99.</summary>
    public static IReadOnlyList<double> Unstructured { get; } = Below(0.99m);

    /// <summary>0, 0.1, 0.19, 0.271, … 0.95.</summary>
    public static IReadOnlyList<double> Blocks { get; } = Below(0.95m);

    private static double[] Below(decimal most)
    {
        var levels = new List<double>();
        for (var density = 1m; density > 1 - most; density *= Ratio)
            levels.Add((double)(1 - density));
        return [.. levels, (double)most];
    }
}
