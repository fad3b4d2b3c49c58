using System.Numerics;
using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>Where the elements of a matrix operand lie: element (row, column) at pointer[row · rowStep + column · columnStep].</summary>
internal readonly unsafe struct Operand<T>(T* pointer, nint rowStep, nint columnStep)
    where T : unmanaged
{
    public T* Pointer { get; } = pointer;

    public nint RowStep { get; } = rowStep;

    public nint ColumnStep { get; } = columnStep;

    public Operand<T> Transposed => new(Pointer, ColumnStep, RowStep);
}

/// <summary>
/// Packed, blocked matrix product. Panels of <see cref="TileRows"/> rows of A and two vectors of columns of B are packed so
/// that the inner loop reads both in order; one tile of C stays in registers over the whole depth of a block.
/// </summary>
/// <remarks>
/// An element of C is C + Σ over depth blocks of (Σ inside the block, in order, fused): the same bits at every width.
/// </remarks>
internal static unsafe class Gemm<T, V, TSimd>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where V : unmanaged
    where TSimd : struct, ISimd<T, V>
{
    /// <summary>6 × 2 vectors of sums, two of B and one broadcast of A fill the 16 registers of AVX2.</summary>
    public const int TileRows = 6;

    /// <summary>Depth of a block: a panel of B (16 KiB) stays in the first cache level.</summary>
    private const int DepthBlock = 256;

    /// <summary>Rows of a packed block of A (about 200 KiB of doubles), for the second cache level. A multiple of <see cref="TileRows"/>.</summary>
    private const int RowBlock = 96;

    public static int TileColumns
    {
        [MethodImpl(MethodImplOptions.AggressiveInlining)]
        get => 2 * TSimd.Count;
    }

    /// <summary>
    /// C ← C + alpha·A·B for C [rows × columns], A [rows × depth], B [depth × columns]. C must not overlap A or B.
    /// With <paramref name="lowerOnly"/> tiles wholly above the diagonal are left out, and what lies above the diagonal in
    /// the others is undefined.
    /// </summary>
    public static void MultiplyAdd(T* c, nint stride, int rows, int columns, int depth, T alpha, Operand<T> a, Operand<T> b, bool lowerOnly)
    {
        if (rows == 0 || columns == 0)
            return;
        var columnPanels = (columns + TileColumns - 1) / TileColumns;
        using var packedA = new Matrix<T>(RowBlock / TileRows, TileRows * DepthBlock);
        using var packedB = new Matrix<T>(columnPanels, TileColumns * DepthBlock);
        var tile = stackalloc T[TileRows * TileColumns];
        for (var k = 0; k < depth; k += DepthBlock)
        {
            var d = Math.Min(DepthBlock, depth - k);
            for (var j = 0; j < columnPanels; j++)
                Pack(packedB.Pointer + (nint)j * packedB.Stride, TileColumns, new(b.Pointer + (nint)j * TileColumns * b.ColumnStep + k * b.RowStep, b.ColumnStep, b.RowStep), Math.Min(TileColumns, columns - j * TileColumns), d, T.One);
            for (var i = 0; i < rows; i += RowBlock)
            {
                var blockRows = Math.Min(RowBlock, rows - i);
                for (var r = 0; r < blockRows; r += TileRows)
                    Pack(packedA.Pointer + (nint)(r / TileRows) * packedA.Stride, TileRows, new(a.Pointer + (nint)(i + r) * a.RowStep + k * a.ColumnStep, a.RowStep, a.ColumnStep), Math.Min(TileRows, blockRows - r), d, alpha);
                for (var j = 0; j < columnPanels && !(lowerOnly && j * TileColumns >= i + blockRows); j++)
                {
                    for (var r = 0; r < blockRows; r += TileRows)
                    {
                        if (lowerOnly && j * TileColumns >= i + r + TileRows)
                            continue;
                        var target = c + (i + r) * stride + j * TileColumns;
                        var pa = packedA.Pointer + (nint)(r / TileRows) * packedA.Stride;
                        var pb = packedB.Pointer + (nint)j * packedB.Stride;
                        if (blockRows - r >= TileRows && columns - j * TileColumns >= TileColumns)
                            AddTile(pa, pb, d, target, stride);
                        else
                            AddEdgeTile(pa, pb, d, target, stride, tile, Math.Min(TileRows, blockRows - r), Math.Min(TileColumns, columns - j * TileColumns));
                    }
                }
            }
        }
    }

    /// <summary>
    /// C ← C + A·B for one tile [6 × 2 vectors]; a [depth × 6] and b [depth × 2 vectors] are packed without gaps.
    /// </summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    public static void AddTile(T* a, T* b, int depth, T* c, nint stride)
    {
        V c00 = default, c01 = default, c10 = default, c11 = default, c20 = default, c21 = default;
        V c30 = default, c31 = default, c40 = default, c41 = default, c50 = default, c51 = default;
        for (var k = 0; k < depth; k++)
        {
            var b0 = TSimd.Load(b);
            var b1 = TSimd.Load(b + TSimd.Count);
            var x = TSimd.Broadcast(a[0]);
            c00 = TSimd.MultiplyAdd(x, b0, c00);
            c01 = TSimd.MultiplyAdd(x, b1, c01);
            x = TSimd.Broadcast(a[1]);
            c10 = TSimd.MultiplyAdd(x, b0, c10);
            c11 = TSimd.MultiplyAdd(x, b1, c11);
            x = TSimd.Broadcast(a[2]);
            c20 = TSimd.MultiplyAdd(x, b0, c20);
            c21 = TSimd.MultiplyAdd(x, b1, c21);
            x = TSimd.Broadcast(a[3]);
            c30 = TSimd.MultiplyAdd(x, b0, c30);
            c31 = TSimd.MultiplyAdd(x, b1, c31);
            x = TSimd.Broadcast(a[4]);
            c40 = TSimd.MultiplyAdd(x, b0, c40);
            c41 = TSimd.MultiplyAdd(x, b1, c41);
            x = TSimd.Broadcast(a[5]);
            c50 = TSimd.MultiplyAdd(x, b0, c50);
            c51 = TSimd.MultiplyAdd(x, b1, c51);
            a += TileRows;
            b += 2 * TSimd.Count;
        }

        AddRow(c, c00, c01);
        AddRow(c + stride, c10, c11);
        AddRow(c + 2 * stride, c20, c21);
        AddRow(c + 3 * stride, c30, c31);
        AddRow(c + 4 * stride, c40, c41);
        AddRow(c + 5 * stride, c50, c51);
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static void AddRow(T* c, V left, V right)
    {
        TSimd.Store(c, TSimd.Add(TSimd.Load(c), left));
        TSimd.Store(c + TSimd.Count, TSimd.Add(TSimd.Load(c + TSimd.Count), right));
    }

    private static void AddEdgeTile(T* a, T* b, int depth, T* c, nint stride, T* tile, int rows, int columns)
    {
        new Span<T>(tile, TileRows * TileColumns).Clear();
        for (var i = 0; i < rows; i++)
            new ReadOnlySpan<T>(c + i * stride, columns).CopyTo(new Span<T>(tile + i * TileColumns, columns));
        AddTile(a, b, depth, tile, TileColumns);
        for (var i = 0; i < rows; i++)
            new ReadOnlySpan<T>(tile + i * TileColumns, columns).CopyTo(new Span<T>(c + i * stride, columns));
    }

    /// <summary>Lays one panel out depth-major, scaled, with zeros for rows that are not there.</summary>
    private static void Pack(T* target, int panelRows, Operand<T> source, int rows, int depth, T scale)
    {
        var wholeVectors = source.RowStep == 1 && rows == panelRows && panelRows == TileColumns;
        var factor = TSimd.Broadcast(scale);
        for (var k = 0; k < depth; k++)
        {
            var from = source.Pointer + k * source.ColumnStep;
            if (wholeVectors)
            {
                TSimd.Store(target, TSimd.Multiply(factor, TSimd.Load(from)));
                TSimd.Store(target + TSimd.Count, TSimd.Multiply(factor, TSimd.Load(from + TSimd.Count)));
            }
            else
            {
                for (var i = 0; i < rows; i++)
                    target[i] = scale * from[i * source.RowStep];
                for (var i = rows; i < panelRows; i++)
                    target[i] = T.Zero;
            }

            target += panelRows;
        }
    }
}
