namespace Orchestrator.Numerics.Tests.Elimination;

/// <summary>What happens when precision or the caller's arguments fail.</summary>
public sealed class EliminationGuardTests
{
    [Theory]
    [ClassData(typeof(Widths))]
    public void A_matrix_that_is_not_positive_definite_is_reported_by_every_method(KernelWidth width)
    {
        // Each diagonal element is positive at first; eliminating a column makes its neighbour negative.
        const int n = 20;
        using var inverse = new Matrix<double>(n, n);
        for (var i = 0; i < n; i++)
        {
            inverse[i, i] = 1;
            inverse[i, i ^ 1] = 1.5;
        }

        foreach (var pending in new[] { 4, 64 })
        {
            using var elimination = new ObsElimination<double>(n, width, pending);
            AssertLost(elimination, inverse);
        }

        using var eager = new EagerElimination<double>(n, width);
        AssertLost(eager, inverse);
    }

    [Theory]
    [ClassData(typeof(Widths))]
    public void Numbers_that_are_not_finite_are_reported(KernelWidth width)
    {
        const int n = 9;
        using var elimination = new ObsElimination<float>(n, width);
        foreach (var bad in new[] { float.NaN, float.PositiveInfinity, 0, -1 })
        {
            using var inverse = new Matrix<float>(n, n);
            for (var i = 0; i < n; i++)
                inverse[i, i] = i == 7 ? bad : 1;
            var result = elimination.Prune(inverse, [], Enumerable.Repeat(1f, n).ToArray(), new int[n], new double[n]);
            Assert.Equal(EliminationStatus.LostDefiniteness, result.Status);
        }

        using var identity = new Matrix<float>(n, n);
        for (var i = 0; i < n; i++)
            identity[i, i] = 1;
        var weights = Enumerable.Repeat(1f, n).ToArray();
        weights[3] = float.NaN;
        Assert.Equal(EliminationStatus.LostDefiniteness, elimination.Prune(identity, [], weights, new int[n], new double[n]).Status);
    }

    [Fact]
    public void Float_gives_up_where_cancellation_has_eaten_the_digits_and_double_goes_on()
    {
        // Two nearly equal columns: after one goes, the other's diagonal falls to 2e-7 of what it was.
        double[] values = [1, 1 - 1e-7, 1 - 1e-7, 1];
        using var inverse = Matrix<double>.FromRows(values, 2, 2);
        using var floats = inverse.Convert<float>();
        using var single = new ObsElimination<float>(2);
        using var full = new ObsElimination<double>(2);
        Assert.Equal(new EliminationResult(EliminationStatus.LostDefiniteness, 1), single.Prune(floats, [], [1f, 1f], new int[2], new double[2]));
        Assert.Equal(new EliminationResult(EliminationStatus.Completed, 2), full.Prune(inverse, [], [1.0, 1.0], new int[2], new double[2]));
    }

    [Fact]
    public void A_workspace_is_as_new_after_a_row_that_failed()
    {
        const int n = 70;
        var random = new Random(2);
        using var inverse = Problem.Invert(Problem.Hessian(random, n), n);
        using var broken = inverse.Clone();
        broken[60, 60] = 1e-9;
        var row = Problem.Row(random, n);
        using var used = new ObsElimination<double>(n, pending: 8);
        using var fresh = new ObsElimination<double>(n, pending: 8);
        Assert.False(used.Prune(broken, [], (double[])row.Clone(), new int[n], new double[n]).Completed);
        var (expected, actual) = (new double[n], new double[n]);
        Assert.True(fresh.Prune(inverse, [], (double[])row.Clone(), new int[n], expected).Completed);
        Assert.True(used.Prune(inverse, [], (double[])row.Clone(), new int[n], actual).Completed);
        Assert.Equal(expected, actual);
    }

    [Fact]
    public void Empty_rows_and_zero_steps_complete()
    {
        using var none = new Matrix<double>(0, 0);
        using var one = Matrix<double>.FromRows([2], 1, 1);
        using var elimination = new ObsElimination<double>(1);
        Assert.Equal(new EliminationResult(EliminationStatus.Completed, 0), elimination.Prune(none, [], [], [], []));
        double[] weights = [3];
        Assert.Equal(new EliminationResult(EliminationStatus.Completed, 0), elimination.Prune(one, [], weights, [], []));
        Assert.Equal([3], weights);
        var losses = new double[4];
        Assert.Equal(new EliminationResult(EliminationStatus.Completed, 1), elimination.Prune(one, [], weights, new int[4], losses));
        Assert.Equal(9 / 4.0, losses[0]);
    }

    [Fact]
    public void Arguments_that_do_not_fit_are_refused()
    {
        using var inverse = new Matrix<double>(4, 4);
        using var elimination = new ObsElimination<double>(4, pending: 2);
        Assert.Throws<ArgumentException>(() => elimination.Prune(inverse, [], new double[3], new int[3], new double[3]));
        Assert.Throws<ArgumentException>(() => elimination.Prune(inverse, [0, 1, 1, 2], new double[4], new int[4], new double[4]));
        Assert.Throws<ArgumentException>(() => elimination.Prune(inverse, [0, 1, 2, 4], new double[4], new int[4], new double[4]));
        Assert.Throws<ArgumentException>(() => elimination.Prune(inverse, [0, 1, 2, 3], new double[5], new int[4], new double[4]));
        Assert.Throws<ArgumentException>(() => elimination.Prune(inverse, [], new double[4], new int[4], new double[3]));
        Assert.Throws<ArgumentOutOfRangeException>(() => elimination.PruneGroups(inverse, [], new double[4], 3, 2, new int[4], new double[4]));
        Assert.Throws<ArgumentException>(() => elimination.PruneBlocks(inverse, [], new double[4], 3, new int[1], new double[1]));
        Assert.Throws<ArgumentOutOfRangeException>(() => elimination.PruneBlocks(inverse, [], new double[4], 4, new int[1], new double[1]));
        Assert.Throws<ArgumentException>(() => elimination.Quantize(inverse, [], new double[4], new(0, 0, 15), new int[4], new int[4], new double[4]));
        Assert.Throws<ArgumentException>(() => elimination.Quantize(inverse, [], new double[4], new(1, 0, 15), new int[3], new int[4], new double[4]));
        Assert.Throws<ArgumentOutOfRangeException>(() => new ObsElimination<double>(4, pending: 0));
    }

    private static void AssertLost(IRowElimination<double> elimination, Matrix<double> inverse)
    {
        var n = inverse.Rows;
        double[] Row() => [.. Enumerable.Range(1, n).Select(i => 1.0 / i)];
        var (order, losses) = (new int[n], new double[n]);
        Assert.Equal(EliminationStatus.LostDefiniteness, elimination.Prune(inverse, [], Row(), order, losses).Status);
        Assert.Equal(EliminationStatus.LostDefiniteness, elimination.PruneGroups(inverse, [], Row(), 0, 2, order, losses).Status);
        Assert.Equal(EliminationStatus.LostDefiniteness, elimination.PruneBlocks(inverse, [], Row(), 2, order, losses).Status);
        Assert.Equal(EliminationStatus.LostDefiniteness, elimination.Quantize(inverse, [], Row(), new(0.1, 0, 15), new int[n], order, losses).Status);
    }
}
