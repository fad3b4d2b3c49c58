using System.Numerics;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// ExactOBS without a pattern (algorithms.md 5.4, 5.5; "Optimal Brain Compression", algorithm 1). Each step of a row removes
/// the weight with the smallest w²/[H⁻¹]_pp and moves the others by −(w_p/[H⁻¹]_pp)·H⁻¹[:,p]. The rows' traces are merged
/// into a global mask, whose weights come from the closed form.
/// </summary>
internal static class ExactObs
{
    /// <summary>Order and losses of every row, to the last column.</summary>
    public static TraceResult Trace(SolverInput input, CancellationToken cancellationToken) =>
        EliminationTrace.Run(input, 1, new Prune(), cancellationToken);

    /// <summary>The weights left when each row gives up the first <paramref name="counts"/> columns of its order.</summary>
    public static SolvedRows Finish(SolverInput input, ReadOnlySpan<int> order, ReadOnlySpan<int> counts, CancellationToken cancellationToken) =>
        ClosedForm.Finish(input, 1, order, counts, cancellationToken);

    internal sealed class Prune : IRowMethod
    {
        public EliminationResult Run<T>(IRowElimination<T> elimination, Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
            elimination.Prune(inverse, columns, weights, order, losses);
    }
}
