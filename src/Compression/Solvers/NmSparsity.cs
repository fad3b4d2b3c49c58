using System.Numerics;
using Orchestrator.Compression.Hessians;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// N:M sparsity (algorithms.md 5.6): ExactOBS in which a column is eligible only while its group of M consecutive columns has
/// more than N weights. Rows are independent; there is no global mask.
/// </summary>
internal static class NmSparsity
{
    /// <param name="keep">N, the weights that stay in each group.</param>
    /// <param name="group">M, a divisor of the columns.</param>
    public static SolvedRows Solve(SolverInput input, int keep, int group, CancellationToken cancellationToken)
    {
        var weights = new Matrix<float>(input.Rows, input.Columns);
        var rescues = new RescueLog();
        var method = new PruneGroups(keep, group);
        var before = new double[input.Columns];
        var after = new double[input.Columns];
        var order = new int[input.Columns];
        var losses = new double[input.Columns];
        using var systems = new RowSystems(input, 1, rescues);
        using var engine = new RowEngine(input, rescues);
        for (var row = 0; row < input.Rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            systems.Load(row, before);
            engine.Eliminate(method, systems.For(row, before, cancellationToken), before, after, order, losses, cancellationToken);
            for (var j = 0; j < after.Length; j++)
                weights[row, j] = (float)after[j];
            input.Progress?.Report(row + 1);
        }

        return new(weights, rescues.ToList());
    }

    internal sealed class PruneGroups(int keep, int group) : IRowMethod
    {
        public EliminationResult Run<T>(IRowElimination<T> elimination, Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
            elimination.PruneGroups(inverse, columns, weights, keep, group, order, losses);
    }
}
