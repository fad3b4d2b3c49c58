using System.Numerics;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>One of the eliminations of <see cref="IRowElimination{T}"/> with its parameters, in either precision.</summary>
internal interface IRowMethod
{
    EliminationResult Run<T>(IRowElimination<T> elimination, Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>;
}
