using System.Numerics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>C ← beta·C + alpha·A·Aᵀ.</summary>
public static unsafe class SymmetricRankK
{
    /// <summary>
    /// Updates the symmetric C [n × n], both triangles, with A [n × k]. Only the lower triangle of C is read; the result is
    /// exactly symmetric. With beta = 0 the old content of C does not matter, even where it is not a number.
    /// </summary>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public static void Update<T>(Matrix<T> c, T beta, T alpha, Matrix<T> a, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (c.Rows != c.Columns || a.Rows != c.Rows)
            throw new ArgumentException($"C is {c.Rows} × {c.Columns}, A {a.Rows} × {a.Columns}.", nameof(a));
        for (var i = 0; i < c.Rows; i++)
        {
            var row = c.Row(i)[..(i + 1)];
            if (beta == T.Zero)
                row.Clear();
            else
                for (var j = 0; j < row.Length; j++)
                    row[j] *= beta;
        }

        KernelWidths.Run<T, int, Code<T>>(width, new(c, alpha, a));
        GC.KeepAlive(a);
        Mirror(c);
    }

    /// <summary>Copies the lower triangle onto the upper one.</summary>
    internal static void Mirror<T>(Matrix<T> c)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        // Square patches, so that the lines written column-wise stay in the cache while they fill.
        const int patch = 16;
        for (var i0 = 0; i0 < c.Rows; i0 += patch)
        {
            for (var j0 = 0; j0 <= i0; j0 += patch)
            {
                for (var i = i0; i < Math.Min(i0 + patch, c.Rows); i++)
                {
                    var row = c.Pointer + (nint)i * c.Stride;
                    for (var j = j0; j < Math.Min(j0 + patch, i); j++)
                        c.Pointer[(nint)j * c.Stride + i] = row[j];
                }
            }
        }

        GC.KeepAlive(c);
    }

    private readonly struct Code<T>(Matrix<T> c, T alpha, Matrix<T> a) : IWidthGeneric<T, int>
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        public int Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            var operand = new Operand<T>(a.Pointer, a.Stride, 1);
            Gemm<T, V, TSimd>.MultiplyAdd(c.Pointer, c.Stride, c.Rows, c.Rows, a.Columns, alpha, operand, operand.Transposed, lowerOnly: true);
            return 0;
        }
    }
}
