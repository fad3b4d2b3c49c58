using System.Numerics;

namespace Orchestrator.Numerics;

/// <summary>
/// Exact greedy elimination of the weights of one row, algorithms.md 5.4 to 5.7: each step fixes the column that costs least
/// and moves the remaining weights to their optimum, until the outputs are full or no column is eligible.
/// </summary>
/// <remarks>
/// <para>Common to all methods. <c>inverse</c> [m × m] is the symmetric inverse Hessian of the m active columns, both
/// triangles filled; it is only read and may be shared by threads. <c>columns</c> [m] maps its columns, ascending, to places
/// in <c>weights</c>; empty means the identity. <c>weights</c> holds the row at entry and its compensated form at exit:
/// removed columns are exactly zero (or their grid value), places outside the map are untouched.</para>
/// <para><c>order</c> receives the fixed columns as places in <c>weights</c>, <c>losses</c> (at least as long) the growth of
/// ½·Δw·H·Δwᵀ in each step. The length of <c>order</c> limits the number of steps. The lowest column wins ties.</para>
/// <para>An instance is a reusable workspace: no allocation per row, one row at a time.</para>
/// </remarks>
public interface IRowElimination<T> : IDisposable
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>The longest row the workspace holds.</summary>
    int MaximumColumns { get; }

    /// <summary>
    /// Where set, every method also writes the row as it stands after each step, [steps × places]: removed weights zero, the others
    /// compensated, places outside the map as they came in. Null by default.
    /// </summary>
    Matrix<T>? Kept { get; set; }

    /// <summary>ExactOBS without a pattern, 5.4: the pivot is argmin w² / diagonal.</summary>
    EliminationResult Prune(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses);

    /// <summary>
    /// ExactOBS with N:M sparsity, 5.6: as <see cref="Prune"/>, but a column is eligible only while its group of
    /// <paramref name="group"/> consecutive places still has more than <paramref name="keep"/> weights. Places outside the map
    /// count as removed already. The last group may be shorter and then has as many fewer to lose.
    /// </summary>
    EliminationResult PruneGroups(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int keep, int group, Span<int> order, Span<double> losses);

    /// <summary>
    /// ExactOBS with blocks of <paramref name="blockSize"/> consecutive columns, 5.6. <paramref name="order"/> receives block
    /// numbers (first place / block size), one loss per block. Only whole blocks may be active: with a map, every block is
    /// inside it or outside it. m is a multiple of the block size.
    /// </summary>
    EliminationResult PruneBlocks(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int blockSize, Span<int> order, Span<double> losses);

    /// <summary>
    /// OBQ, 5.7: the pivot is argmin (w − q(w))² / diagonal; when a weight lies outside the grid by more than half a step and
    /// the pivot is not zero, argmax (w − q(w))² instead. <paramref name="weights"/> become grid values;
    /// <paramref name="codes"/> has the places of <paramref name="weights"/>.
    /// </summary>
    EliminationResult Quantize(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, RowGrid<T> grid, Span<int> codes, Span<int> order, Span<double> losses);
}
