using System.Numerics;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// ExactOBS with blocks of c consecutive columns (algorithms.md 5.6). Each step of a row removes the block B with the smallest
/// w_B·([H⁻¹]_BB)⁻¹·w_B; traces, global mask and closed form as in <see cref="ExactObs"/>, with blocks in place of columns.
/// </summary>
internal static class BlockSparsity
{
    /// <summary>Order (block numbers) and losses of every row.</summary>
    public static TraceResult Trace(SolverInput input, int blockSize, CancellationToken cancellationToken) =>
        EliminationTrace.Run(input, blockSize, new PruneBlocks(blockSize), cancellationToken);

    /// <summary>The weights left when each row gives up the first <paramref name="counts"/> blocks of its order.</summary>
    public static SolvedRows Finish(SolverInput input, int blockSize, ReadOnlySpan<int> order, ReadOnlySpan<int> counts, CancellationToken cancellationToken) =>
        ClosedForm.Finish(input, blockSize, order, counts, cancellationToken);

    internal sealed class PruneBlocks(int blockSize) : IRowMethod
    {
        public EliminationResult Run<T>(IRowElimination<T> elimination, Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
            elimination.PruneBlocks(inverse, columns, weights, blockSize, order, losses);
    }
}
