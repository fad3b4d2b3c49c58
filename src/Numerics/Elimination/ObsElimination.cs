using System.Numerics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>
/// The fast elimination of algorithms.md 5.11: rank-1 updates are kept pending and applied together, to the surviving columns
/// and one triangle only. Algebraically the same as <see cref="EagerElimination{T}"/>; the same bits at every kernel width.
/// </summary>
/// <remarks>
/// Beside a diagonal that is not positive and finite it also reports <see cref="EliminationStatus.LostDefiniteness"/> when a
/// pivot has shrunk so far below its first value that rounding errors leave it fewer than about six valid bits.
/// </remarks>
public sealed class ObsElimination<T> : IRowElimination<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Updates kept pending by default: the fastest at about a thousand columns, within a few percent elsewhere.</summary>
    public const int DefaultPending = 64;

    private readonly IRowElimination<T> _kernel;

    /// <param name="maximumColumns">The longest row.</param>
    /// <param name="width">Kernel width.</param>
    /// <param name="pending">Updates kept pending before they are applied together (B); at least 1. Part of what decides the last bits of a result.</param>
    public ObsElimination(int maximumColumns, KernelWidth width = KernelWidth.Default, int pending = DefaultPending)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(maximumColumns);
        ArgumentOutOfRangeException.ThrowIfLessThan(pending, 1);
        _kernel = KernelWidths.Run<T, IRowElimination<T>, Creation>(width, new(maximumColumns, pending));
    }

    public int MaximumColumns => _kernel.MaximumColumns;

    public Matrix<T>? Kept
    {
        get => _kernel.Kept;
        set => _kernel.Kept = value;
    }

    public EliminationResult Prune(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses) =>
        Alive(_kernel.Prune(inverse, columns, weights, order, losses), inverse);

    public EliminationResult PruneGroups(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int keep, int group, Span<int> order, Span<double> losses) =>
        Alive(_kernel.PruneGroups(inverse, columns, weights, keep, group, order, losses), inverse);

    public EliminationResult PruneBlocks(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int blockSize, Span<int> order, Span<double> losses) =>
        Alive(_kernel.PruneBlocks(inverse, columns, weights, blockSize, order, losses), inverse);

    public EliminationResult Quantize(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, RowGrid<T> grid, Span<int> codes, Span<int> order, Span<double> losses) =>
        Alive(_kernel.Quantize(inverse, columns, weights, grid, codes, order, losses), inverse);

    public void Dispose() => _kernel.Dispose();

    /// <summary>The kernels hold raw pointers, so what these point into must outlive the call even if the caller is done with it.</summary>
    private EliminationResult Alive(EliminationResult result, Matrix<T> inverse)
    {
        GC.KeepAlive(inverse);
        GC.KeepAlive(this);
        return result;
    }

    private readonly struct Creation(int maximumColumns, int pending) : IWidthGeneric<T, IRowElimination<T>>
    {
        public IRowElimination<T> Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V> => new LazyElimination<T, V, TSimd>(maximumColumns, pending);
    }
}
