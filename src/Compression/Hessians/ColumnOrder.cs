using System.Numerics;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>
/// A permutation of a layer's columns. Patterns want groups of input channels at one kernel position side by side: the order
/// (kh, kw, ci) instead of (ci, kh, kw), algorithms.md 5.3 step 3.
/// </summary>
internal sealed class ColumnOrder
{
    private readonly int[] _sources;

    private ColumnOrder(int[] sources) => _sources = sources;

    /// <summary>From (ci, kh, kw) to (kh, kw, ci).</summary>
    /// <exception cref="ArgumentException">The columns are not whole channels.</exception>
    public static ColumnOrder ChannelsLast(int columns, int kernelPositions)
    {
        if (kernelPositions < 1 || columns % kernelPositions != 0)
            throw new ArgumentException($"{columns} columns are not whole channels of {kernelPositions} kernel positions.", nameof(kernelPositions));
        var channels = columns / kernelPositions;
        var sources = new int[columns];
        for (var position = 0; position < kernelPositions; position++)
        {
            for (var channel = 0; channel < channels; channel++)
                sources[position * channels + channel] = channel * kernelPositions + position;
        }

        return new(sources);
    }

    /// <summary>Columns of [rows × columns] in the new order.</summary>
    public Matrix<T> Apply<T>(Matrix<T> matrix)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var permuted = new Matrix<T>(matrix.Rows, matrix.Columns);
        for (var row = 0; row < matrix.Rows; row++)
            Gather(matrix.Row(row), permuted.Row(row));
        return permuted;
    }

    /// <summary>Rows and columns of a square matrix in the new order.</summary>
    public Matrix<double> ApplySymmetric(Matrix<double> matrix)
    {
        var permuted = new Matrix<double>(matrix.Rows, matrix.Columns);
        for (var row = 0; row < matrix.Rows; row++)
            Gather(matrix.Row(_sources[row]), permuted.Row(row));
        return permuted;
    }

    /// <summary>Columns of [rows × columns] back in the original order.</summary>
    public Matrix<T> Undo<T>(Matrix<T> permuted)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var matrix = new Matrix<T>(permuted.Rows, permuted.Columns);
        for (var row = 0; row < permuted.Rows; row++)
        {
            var from = permuted.Row(row);
            var to = matrix.Row(row);
            for (var column = 0; column < from.Length; column++)
                to[_sources[column]] = from[column];
        }

        return matrix;
    }

    private void Gather<T>(ReadOnlySpan<T> from, Span<T> to)
    {
        for (var column = 0; column < to.Length; column++)
            to[column] = from[_sources[column]];
    }
}
