using System.Numerics;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>One of the eliminations of <see cref="IRowElimination{T}"/> with its parameters, in either precision.</summary>
internal interface IRowMethod
{
    /// <summary>
    /// How far the float losses of the steps may be from the loss of the result, relatively, before the row is computed again in
    /// double. Pruning: its losses also rank rows against each other, and stay within 1e-5 up to the inflation that float is used for.
    /// </summary>
    double SingleDrift => 1e-3;

    /// <summary>
    /// Rows of up to this many active columns are computed in double from the start. Where each step depends on the ones before, one
    /// tie decided by noise changes the rest of a row; with more columns that is a smaller part of the loss, and double costs more.
    /// </summary>
    int DoubleColumns => 0;

    EliminationResult Run<T>(IRowElimination<T> elimination, Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>;
}
