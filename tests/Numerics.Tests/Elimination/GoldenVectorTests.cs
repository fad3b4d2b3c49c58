namespace Orchestrator.Numerics.Tests.Elimination;

/// <summary>The worked examples of algorithms.md 9.1, 9.3 and 9.4, through both eliminations and every width.</summary>
public abstract class GoldenVectorTests
{
    // The numbers are exact fractions; a handful of double operations lead to them.
    private const double Tolerance = 1e-14;

    private static readonly double[] s_inverse91 = [0.75, -0.5, 0.25, -0.5, 1, -0.5, 0.25, -0.5, 0.75];

    [Theory]
    [ClassData(typeof(Widths))]
    public void Pruning_follows_the_first_example_of_9_1(KernelWidth width) =>
        Prunes(width, [1, 0.5, -1], [1, 2, 0], [1 / 8.0, 9 / 16.0, 25 / 16.0], [[1.25, 0, -0.75], [1.25, 0, 0], [0, 0, 0]]);

    [Theory]
    [ClassData(typeof(Widths))]
    public void Pruning_follows_the_second_example_of_9_1(KernelWidth width) =>
        Prunes(width, [1, 1, 0.5], [2, 0, 1], [1 / 6.0, 25 / 48.0, 49 / 16.0], [[5 / 6.0, 4 / 3.0, 0], [0, 1.75, 0], [0, 0, 0]]);

    [Theory]
    [ClassData(typeof(Widths))]
    public void Blocks_follow_9_3(KernelWidth width)
    {
        double[] h = [4, 1, 0, 1, 1, 3, 1, 0, 0, 1, 3, 1, 1, 0, 1, 2];
        using var inverse = Problem.Invert(h, 4);
        using var elimination = Create(4, width);
        double[] weights = [1, -1, 2, 0.5];
        var order = new int[1];
        var losses = new double[1];
        Assert.True(elimination.PruneBlocks(inverse, [], weights, 2, order, losses).Completed);
        Assert.Equal([0], order);
        Assert.Equal(9 / 5.0, losses[0], Tolerance);
        AssertClose([0, 0, 1.4, 1.3], weights);
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Quantization_follows_9_4(KernelWidth width) =>
        Quantizes(width, new(1, 8, 15), [1.3, 0.4, -2], [2, 0, 1], [0, 27 / 400.0, 81 / 400.0], [1, 1, -2]);

    [Theory]
    [ClassData(typeof(Widths))]
    public void Outliers_go_first_as_in_9_4(KernelWidth width) =>
        Quantizes(width, new(1, 2, 3), [-0.6, 1.5, 2], [2, 1, 0], [2 / 3.0, 49 / 48.0, 49 / 400.0], [0, 1, 1]);

    protected abstract IRowElimination<double> Create(int columns, KernelWidth width);

    private static void AssertClose(double[] expected, double[] actual)
    {
        Assert.Equal(expected.Length, actual.Length);
        for (var i = 0; i < expected.Length; i++)
            Assert.Equal(expected[i], actual[i], Tolerance);
    }

    private void Prunes(KernelWidth width, double[] start, int[] expectedOrder, double[] expectedLosses, double[][] expectedWeights)
    {
        using var inverse = Matrix<double>.FromRows(s_inverse91, 3, 3);
        using var elimination = Create(3, width);
        for (var steps = 1; steps <= 3; steps++)
        {
            var weights = (double[])start.Clone();
            var order = new int[steps];
            var losses = new double[steps];
            var result = elimination.Prune(inverse, [], weights, order, losses);
            Assert.Equal(new EliminationResult(EliminationStatus.Completed, steps), result);
            Assert.Equal(expectedOrder[..steps], order);
            AssertClose(expectedLosses[..steps], losses);
            AssertClose(expectedWeights[steps - 1], weights);
        }
    }

    private void Quantizes(KernelWidth width, RowGrid<double> grid, double[] weights, int[] expectedOrder, double[] expectedLosses, double[] expectedWeights)
    {
        using var inverse = Matrix<double>.FromRows(s_inverse91, 3, 3);
        using var elimination = Create(3, width);
        var codes = new int[3];
        var order = new int[3];
        var losses = new double[3];
        Assert.True(elimination.Quantize(inverse, [], weights, grid, codes, order, losses).Completed);
        Assert.Equal(expectedOrder, order);
        AssertClose(expectedLosses, losses);
        Assert.Equal(expectedWeights, weights);
        Assert.Equal(expectedWeights.Select(value => (int)value + grid.Zero), codes);
    }
}

public sealed class EagerGoldenVectorTests : GoldenVectorTests
{
    protected override IRowElimination<double> Create(int columns, KernelWidth width) => new EagerElimination<double>(columns, width);
}

public sealed class ObsGoldenVectorTests : GoldenVectorTests
{
    protected override IRowElimination<double> Create(int columns, KernelWidth width) => new ObsElimination<double>(columns, width);
}

/// <summary>The same with every step applied at once, so that each passes a compaction.</summary>
public sealed class ObsShortGoldenVectorTests : GoldenVectorTests
{
    protected override IRowElimination<double> Create(int columns, KernelWidth width) => new ObsElimination<double>(columns, width, pending: 2);
}
