using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.InteropServices;

namespace Orchestrator.Numerics;

/// <summary>
/// A dense row-major matrix over native memory. Every row starts on a 64-byte boundary; the elements between
/// <see cref="Columns"/> and <see cref="Stride"/> are padding, zero at creation and never read as values.
/// </summary>
/// <remarks>
/// Not thread-safe for writing; any number of readers may share one. <see cref="Pointer"/> is valid only while the matrix is
/// reachable and not disposed: whoever takes it keeps the matrix alive for as long as the pointer is used.
/// </remarks>
/// <exception cref="OverflowException">The size in bytes does not fit the address space.</exception>
public sealed unsafe class Matrix<T> : IDisposable
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Alignment of every row in bytes: one cache line, one 512-bit vector.</summary>
    public const int Alignment = 64;

    private T* _pointer;

    /// <summary>A zero matrix. Either extent may be 0.</summary>
    public Matrix(int rows, int columns)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(rows);
        ArgumentOutOfRangeException.ThrowIfNegative(columns);
        Rows = rows;
        Columns = columns;
        Stride = PaddedColumns(columns);
        var bytes = checked((nuint)rows * (nuint)Stride * (nuint)sizeof(T));
        _pointer = (T*)NativeMemory.AlignedAlloc(Math.Max(bytes, Alignment), Alignment);
        NativeMemory.Clear(_pointer, bytes);
        ByteLength = (long)bytes;
        if (bytes > 0)
            GC.AddMemoryPressure(ByteLength);
    }

    ~Matrix() => Release();

    public int Rows { get; }

    public int Columns { get; }

    /// <summary>Elements from the start of one row to the start of the next.</summary>
    public int Stride { get; }

    /// <summary>Bytes held, padding included.</summary>
    public long ByteLength { get; }

    /// <summary>The first element.</summary>
    /// <exception cref="ObjectDisposedException"/>
#pragma warning disable CA1720 // It is a pointer, and the word says so.
    public T* Pointer
#pragma warning restore CA1720
    {
        get
        {
            ObjectDisposedException.ThrowIf(_pointer is null, this);
            return _pointer;
        }
    }

    /// <exception cref="ObjectDisposedException"/>
    /// <exception cref="ArgumentOutOfRangeException">An index outside the matrix.</exception>
    public ref T this[int row, int column]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)column, (uint)Columns, nameof(column));
            return ref RowPointer(row)[column];
        }
    }

    /// <summary>Copies values laid out row after row without padding.</summary>
    /// <exception cref="ArgumentException">The number of values is not rows × columns.</exception>
    public static Matrix<T> FromRows(ReadOnlySpan<T> values, int rows, int columns)
    {
        if (values.Length != (long)rows * columns)
            throw new ArgumentException($"{rows} × {columns} values expected, {values.Length} given.", nameof(values));
        var matrix = new Matrix<T>(rows, columns);
        for (var row = 0; row < rows; row++)
            values.Slice(row * columns, columns).CopyTo(matrix.Row(row));
        return matrix;
    }

    /// <summary>The elements of one row, without padding.</summary>
    /// <exception cref="ObjectDisposedException"/>
    /// <exception cref="ArgumentOutOfRangeException">No such row.</exception>
    public Span<T> Row(int row) => new(RowPointer(row), Columns);

    /// <summary>The values row after row, without padding.</summary>
    public T[] ToArray()
    {
        var values = new T[checked(Rows * Columns)];
        for (var row = 0; row < Rows; row++)
            Row(row).CopyTo(values.AsSpan(row * Columns, Columns));
        return values;
    }

    /// <summary>Copies all values into a matrix of the same shape.</summary>
    /// <exception cref="ArgumentException">The shapes differ.</exception>
    public void CopyTo(Matrix<T> destination)
    {
        if (destination.Rows != Rows || destination.Columns != Columns)
            throw new ArgumentException($"Shape {destination.Rows} × {destination.Columns} differs from {Rows} × {Columns}.", nameof(destination));
        Buffer.MemoryCopy(Pointer, destination.Pointer, destination.ByteLength, ByteLength);
        GC.KeepAlive(this);
        GC.KeepAlive(destination);
    }

    public Matrix<T> Clone()
    {
        var copy = new Matrix<T>(Rows, Columns);
        CopyTo(copy);
        return copy;
    }

    /// <summary>The same values rounded to another element type.</summary>
    public Matrix<TOther> Convert<TOther>()
        where TOther : unmanaged, IBinaryFloatingPointIeee754<TOther>
    {
        var converted = new Matrix<TOther>(Rows, Columns);
        for (var row = 0; row < Rows; row++)
        {
            var from = Row(row);
            var to = converted.Row(row);
            for (var column = 0; column < from.Length; column++)
                to[column] = TOther.CreateTruncating(from[column]);
        }

        return converted;
    }

    /// <summary>Sets every element to zero.</summary>
    public void Clear() => NativeMemory.Clear(Pointer, (nuint)ByteLength);

    public void Dispose()
    {
        Release();
        GC.SuppressFinalize(this);
    }

    /// <summary>Columns rounded up so that the next row starts on an <see cref="Alignment"/> boundary.</summary>
    internal static int PaddedColumns(int columns)
    {
        var perLine = Alignment / sizeof(T);
        return checked(columns + perLine - 1) / perLine * perLine;
    }

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private T* RowPointer(int row)
    {
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual((uint)row, (uint)Rows, nameof(row));
        return Pointer + (nint)row * Stride;
    }

    private void Release()
    {
        if (_pointer is null)
            return;
        NativeMemory.AlignedFree(_pointer);
        _pointer = null;
        if (ByteLength > 0)
            GC.RemoveMemoryPressure(ByteLength);
    }
}
