using System.Numerics;
using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>
/// The inverse Hessian during an elimination as base − Σ u_t·u_tᵀ with up to B pending vectors u_t = row / √d, algorithms.md
/// 5.11(c). Rows are formed when asked for. When B vectors are pending, one pass drops the eliminated columns from the base
/// and applies all of them to its lower triangle.
/// </summary>
/// <remarks>
/// The first base is the caller's matrix, only read. From the first <see cref="Apply"/> on it is a private workspace of which
/// only the lower triangle is valid.
/// </remarks>
internal sealed unsafe class PendingInverse<T, V, TSimd> : IDisposable
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where V : unmanaged
    where TSimd : struct, ISimd<T, V>
{
    private const int TileRows = Gemm<T, V, TSimd>.TileRows;

    /// <summary>Rows compacted and updated together, so that they are still in the second cache level. A multiple of the tile's.</summary>
    private const int RowBlock = 4 * TileRows;

    /// <summary>Columns packed together, a multiple of the tile both ways.</summary>
    private static readonly int s_stripColumns = TileRows * TileColumns / 2;

    private readonly int _maximumColumns;
    private readonly Matrix<T> _pending;
    private readonly Matrix<T> _row;
    private readonly Matrix<T> _packedRows;
    private readonly Matrix<T> _packedColumns;
    private readonly int[] _survivors;
    private readonly int[] _newPositions;
    private readonly int[] _offsets;
    private readonly int[] _permutation;
    private Matrix<T>? _workspace;
    private T* _base;
    private nint _stride;
    private bool _shared;

    public PendingInverse(int maximumColumns, int capacity)
    {
        _maximumColumns = maximumColumns;
        var padded = Padded(maximumColumns);
        // One row more than is used: a sweep over bands reads a few elements past the end of the last one.
        _pending = new Matrix<T>(capacity + 1, RoundUp(padded, s_stripColumns));
        _row = new Matrix<T>(1, padded);
        _packedRows = new Matrix<T>(RoundUp(padded, s_stripColumns) / TileRows, TileRows * capacity + TSimd.Count);
        _packedColumns = new Matrix<T>(RoundUp(padded, s_stripColumns) / TileColumns, TileColumns * capacity + Matrix<T>.Alignment / sizeof(T));
        _survivors = new int[maximumColumns];
        _newPositions = new int[padded];
        _offsets = new int[padded / TSimd.Count];
        _permutation = new int[padded * WordsPerElement];
    }

    /// <summary>Pending vectors the workspace holds (B).</summary>
    public int Capacity => _pending.Rows - 1;

    /// <summary>Pending vectors now.</summary>
    public int Count { get; private set; }

    /// <summary>Columns of the base, eliminated ones that are still in it included.</summary>
    public int Columns { get; private set; }

    /// <summary>Vectors handled side by side when a row is formed: enough sums in flight to hide the latency of one.</summary>
    private const int ChunkVectors = 8;

    private static int TileColumns => Gemm<T, V, TSimd>.TileColumns;

    private static int WordsPerElement => sizeof(T) / sizeof(int);

    /// <summary>Length of vectors over <paramref name="columns"/> that loops may read and write to the end.</summary>
    public static int Padded(int columns)
    {
        var chunk = ChunkVectors * TSimd.Count;
        return (columns + chunk - 1) / chunk * chunk;
    }

    /// <summary>Starts over with a symmetric matrix, both triangles filled.</summary>
    public void Load(Matrix<T> inverse)
    {
        _base = inverse.Pointer;
        _stride = inverse.Stride;
        _shared = true;
        Columns = inverse.Rows;
        Count = 0;
    }

    /// <summary>Forms row p, multiplies it by <paramref name="scale"/> (1/√d) and keeps it as the next pending vector.</summary>
    /// <returns>The vector, padded with zeros.</returns>
    public T* Push(int p, T scale)
    {
        var coefficients = stackalloc T[Count];
        for (var t = 0; t < Count; t++)
            coefficients[t] = _pending.Pointer[(nint)t * _pending.Stride + p];
        ReadBaseRow(p);
        var target = _pending.Pointer + (nint)Count * _pending.Stride;
        Form(_row.Pointer, coefficients, target, scale);
        Count++;
        return target;
    }

    /// <summary>Drops the columns with a set flag from the base and applies all pending vectors to the rest.</summary>
    /// <param name="eliminated">One flag per column.</param>
    public void Apply(ReadOnlySpan<bool> eliminated)
    {
        var m = PlanCompaction(eliminated);
        PackPending(m);
        _workspace ??= new Matrix<T>(_maximumColumns + TileRows, RoundUp(_maximumColumns, TileColumns));
        var target = _workspace.Pointer;
        var stride = (nint)RoundUp(m, Math.Max(TileColumns, Matrix<T>.Alignment / sizeof(T)));
        for (var i = 0; i < m; i += RowBlock)
        {
            // In place this only ever moves elements towards the start: row i of the target ends before the source of row i + 1.
            var rows = Math.Min(RowBlock, m - i);
            for (var r = i; r < i + rows; r++)
                CompactPrefix(_base + _survivors[r] * _stride, target + r * stride, _survivors[r] + 1);
            var ahead = new Lookahead(this, i + rows, Math.Min(i + rows + RowBlock, m));
            for (var j = 0; j * TileColumns < i + rows; j++)
            {
                var columns = _packedColumns.Pointer + (nint)j * _packedColumns.Stride;
                for (var r = i; r < i + rows; r += TileRows)
                {
                    if (j * TileColumns >= r + TileRows)
                        continue;
                    ahead.Step();
                    Gemm<T, V, TSimd>.AddTile(_packedRows.Pointer + (nint)(r / TileRows) * _packedRows.Stride, columns, Count, target + r * stride + j * TileColumns, stride);
                }
            }
        }

        _base = target;
        _stride = stride;
        _shared = false;
        Columns = m;
        Count = 0;
    }

    /// <summary>Where a column that was not eliminated went in the last <see cref="Apply"/>.</summary>
    public int NewPosition(int position) => _newPositions[position];

    /// <summary>Drops from a padded vector what the last <see cref="Apply"/> dropped, and fills the rest of its padding.</summary>
    /// <param name="vector">One element per former column.</param>
    /// <param name="formerColumns">Columns before.</param>
    /// <param name="padding">The value past the end.</param>
    public void Compact(T* vector, int formerColumns, T padding)
    {
        CompactPrefix(vector, vector, formerColumns);
        new Span<T>(vector + Columns, Padded(formerColumns) - Columns).Fill(padding);
    }

    /// <inheritdoc cref="Compact(T*, int, T)"/>
    public void Compact(Span<int> vector)
    {
        for (var i = 0; i < Columns; i++)
            vector[i] = vector[_survivors[i]];
    }

    public void Dispose()
    {
        _pending.Dispose();
        _row.Dispose();
        _packedRows.Dispose();
        _packedColumns.Dispose();
        _workspace?.Dispose();
    }

    /// <summary>Brings the source of the next rows into the cache, a few lines at a time, while the current ones are computed.</summary>
    private ref struct Lookahead(PendingInverse<T, V, TSimd> owner, int row, int end)
    {
        /// <summary>A tile takes as long as this many lines need, and a block has as many tiles as make them enough.</summary>
        private const int LinesPerStep = 8;

        private int _row = row;
        private T* _next = row < end ? owner._base + owner._survivors[row] * owner._stride : null;

        public void Step()
        {
            if (_row >= end)
                return;
            for (var line = 0; line < LinesPerStep; line++)
                Cache.Prefetch((byte*)_next + line * Cache.Line);
            _next += LinesPerStep * Cache.Line / sizeof(T);
            var source = owner._survivors[_row];
            if (_next > owner._base + source * owner._stride + source && ++_row < end)
                _next = owner._base + owner._survivors[_row] * owner._stride;
        }
    }

    private static int RoundUp(int value, int multiple) => (value + multiple - 1) / multiple * multiple;

    /// <summary>Row p of the base: up to the diagonal along the row, from there down the column where only the lower triangle is valid.</summary>
    private void ReadBaseRow(int p)
    {
        var row = _row.Pointer;
        var (m, stride) = (Columns, _stride);
        var contiguous = _shared ? m : p;
        new ReadOnlySpan<T>(_base + p * stride, contiguous).CopyTo(new Span<T>(row, contiguous));
        var source = _base + contiguous * stride + p;
        for (var i = contiguous; i < m; i++)
        {
            row[i] = *source;
            source += stride;
        }

        new Span<T>(row + m, Padded(m) - m).Clear();
    }

    /// <summary>target ← (row − Σ coefficients_t · u_t) · scale.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Form(T* row, T* coefficients, T* target, T scale)
    {
        var count = Count;
        var stride = (nint)_pending.Stride;
        var s = TSimd.Broadcast(scale);
        var n = TSimd.Count;
        var end = Padded(Columns);
        for (var j = 0; j < end; j += ChunkVectors * n)
        {
            var from = row + j;
            V r0 = TSimd.Load(from), r1 = TSimd.Load(from + n), r2 = TSimd.Load(from + 2 * n), r3 = TSimd.Load(from + 3 * n);
            V r4 = TSimd.Load(from + 4 * n), r5 = TSimd.Load(from + 5 * n), r6 = TSimd.Load(from + 6 * n), r7 = TSimd.Load(from + 7 * n);
            var u = _pending.Pointer + j;
            for (var t = 0; t < count; t++)
            {
                var c = TSimd.Broadcast(coefficients[t]);
                r0 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u), r0);
                r1 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + n), r1);
                r2 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + 2 * n), r2);
                r3 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + 3 * n), r3);
                r4 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + 4 * n), r4);
                r5 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + 5 * n), r5);
                r6 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + 6 * n), r6);
                r7 = TSimd.MultiplySubtractFrom(c, TSimd.Load(u + 7 * n), r7);
                u += stride;
            }

            var to = target + j;
            TSimd.Store(to, TSimd.Multiply(r0, s));
            TSimd.Store(to + n, TSimd.Multiply(r1, s));
            TSimd.Store(to + 2 * n, TSimd.Multiply(r2, s));
            TSimd.Store(to + 3 * n, TSimd.Multiply(r3, s));
            TSimd.Store(to + 4 * n, TSimd.Multiply(r4, s));
            TSimd.Store(to + 5 * n, TSimd.Multiply(r5, s));
            TSimd.Store(to + 6 * n, TSimd.Multiply(r6, s));
            TSimd.Store(to + 7 * n, TSimd.Multiply(r7, s));
        }
    }

    /// <summary>For every vector of columns: the order that brings its survivors to the front, and where they go.</summary>
    private int PlanCompaction(ReadOnlySpan<bool> eliminated)
    {
        var m = 0;
        for (var block = 0; block * TSimd.Count < Columns; block++)
        {
            var first = block * TSimd.Count;
            _offsets[block] = m;
            var slot = first;
            for (var i = first; i < Math.Min(first + TSimd.Count, Columns); i++)
            {
                if (eliminated[i])
                    continue;
                _survivors[m] = i;
                _newPositions[i] = m++;
                for (var word = 0; word < WordsPerElement; word++)
                    _permutation[slot * WordsPerElement + word] = (i - first) * WordsPerElement + word;
                slot++;
            }

            // Slots behind the survivors repeat any element; they are overwritten by the next vector or lie past the end.
            new Span<int>(_permutation, slot * WordsPerElement, (first + TSimd.Count - slot) * WordsPerElement).Clear();
        }

        return m;
    }

    /// <summary>Moves the survivors among the first elements; writes up to one vector past their end.</summary>
    private void CompactPrefix(T* source, T* target, int elements)
    {
        fixed (int* offsets = _offsets, permutation = _permutation)
        {
            if (TSimd.Count == 1)
            {
                for (var i = 0; i < elements; i++)
                    target[offsets[i]] = source[i];
                return;
            }

            int* offset = offsets, words = permutation;
            for (var end = source + elements; source < end; source += TSimd.Count)
            {
                TSimd.Store(target + *offset++, TSimd.Permute(TSimd.Load(source), words));
                words += TSimd.Count * WordsPerElement;
            }
        }
    }

    /// <summary>Packs the pending vectors over the m survivors, negated as rows and plain as columns of the tiles.</summary>
    private void PackPending(int m)
    {
        // Rounding up reads up to a tile past the survivors; that is zero, and so are the tiles' missing rows and columns.
        var stride = (nint)_pending.Stride;
        for (var t = 0; t < Count; t++)
        {
            var vector = _pending.Pointer + t * stride;
            CompactPrefix(vector, vector, Columns);
            new Span<T>(vector + m, RoundUp(m, s_stripColumns) - m).Clear();
        }

        // A strip of whole tiles both ways at a time: what it reads stays in the first cache level for both.
        for (var first = 0; first < m; first += s_stripColumns)
        {
            for (var j = first; j < first + s_stripColumns; j += TileColumns)
                PackColumns(_pending.Pointer + j, _packedColumns.Pointer + (nint)(j / TileColumns) * _packedColumns.Stride, stride);
            for (var i = first; i < first + s_stripColumns; i += TileRows)
                PackRows(_pending.Pointer + i, _packedRows.Pointer + (nint)(i / TileRows) * _packedRows.Stride, stride);
        }
    }

    private void PackColumns(T* source, T* target, nint stride)
    {
        for (var t = Count; t > 0; t--)
        {
            TSimd.Store(target, TSimd.Load(source));
            TSimd.Store(target + TSimd.Count, TSimd.Load(source + TSimd.Count));
            target += TileColumns;
            source += stride;
        }
    }

    private void PackRows(T* source, T* target, nint stride)
    {
        // Whole vectors are stored; what they write past the tile's rows belongs to t + 1 and is overwritten then.
        for (var t = Count; t > 0; t--)
        {
            for (var r = 0; r < TileRows; r += TSimd.Count)
                TSimd.Store(target + r, TSimd.Subtract(default, TSimd.Load(source + r)));
            target += TileRows;
            source += stride;
        }
    }
}
