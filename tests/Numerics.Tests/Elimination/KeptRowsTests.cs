namespace Orchestrator.Numerics.Tests.Elimination;

/// <summary>Rows that an elimination keeps are those that it would end with if it stopped there.</summary>
public sealed class KeptRowsTests
{
    // Weights are of order 1; stopping applies pending updates in another order than going on.
    private const double Tolerance = 1e-12;

    private static readonly int[] s_sizes = [1, 2, 5, 16, 17, 48, 70];

    [Theory]
    [ClassData(typeof(Widths))]
    public void Every_step_keeps_the_row_it_leaves(KernelWidth width)
    {
        foreach (var n in s_sizes)
        {
            using var lazy = new ObsElimination<double>(n + 2, width, 8);
            using var eager = new EagerElimination<double>(n + 2, width);
            foreach (var elimination in new IRowElimination<double>[] { lazy, eager })
            {
                Check(elimination, n, 1, (e, inverse, columns, w, order, losses) => e.Prune(inverse, columns, w, order, losses));
                if (n % 2 == 0)
                    Check(elimination, n, 2, (e, inverse, columns, w, order, losses) => e.PruneBlocks(inverse, columns, w, 2, order, losses));
            }
        }
    }

    private delegate EliminationResult Method(IRowElimination<double> elimination, Matrix<double> inverse, int[] columns, double[] weights, int[] order, double[] losses);

    /// <summary>The first two places are outside the map, and keep what they hold.</summary>
    private static void Check(IRowElimination<double> elimination, int n, int unit, Method method)
    {
        var inverse = Problem.SharedInverse(n);
        int[] columns = [.. Enumerable.Range(2, n)];
        double[] before = [3, -4, .. Problem.Row(new Random(n), n)];
        using var kept = new Matrix<double>(n / unit, n + 2);
        elimination.Kept = kept;
        Assert.True(method(elimination, inverse, columns, [.. before], new int[n / unit], new double[n / unit]).Completed);
        elimination.Kept = null;
        for (var steps = 1; steps <= n / unit; steps++)
        {
            double[] stopped = [.. before];
            method(elimination, inverse, columns, stopped, new int[steps], new double[steps]);
            var row = kept.Row(steps - 1).ToArray();
            Assert.All(stopped.Zip(row), pair => Assert.Equal(pair.First, pair.Second, Tolerance));
            Assert.Equal(steps * unit, row.Count(w => w == 0));
        }
    }
}
