using System.Numerics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>A⁻¹ = L⁻ᵀ·L⁻¹ of a symmetric positive definite matrix, blocked.</summary>
public static unsafe class SymmetricInverse
{
    /// <summary>
    /// Replaces <paramref name="a"/> [n × n] by its inverse, both triangles, exactly symmetric. Only the lower triangle is read.
    /// Takes n³ multiply-adds and one more matrix of the same size.
    /// </summary>
    /// <param name="a">The matrix; undefined when the method returns false.</param>
    /// <param name="pivot">The first column whose pivot is not positive and finite, or −1.</param>
    /// <param name="width">Kernel width; every width gives the same bits.</param>
    /// <returns>Whether <paramref name="a"/> is numerically positive definite.</returns>
    /// <exception cref="ArgumentException">The matrix is not square.</exception>
    public static bool TryInvert<T>(Matrix<T> a, out int pivot, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (!Cholesky.TryFactor(a, out pivot, width))
            return false;
        KernelWidths.Run<T, int, Code<T>>(width, new(a));
        SymmetricRankK.Mirror(a);
        return true;
    }

    private readonly struct Code<T>(Matrix<T> a) : IWidthGeneric<T, int>
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        private const int Block = Cholesky.Block;

        public int Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            using var rows = new Matrix<T>(Block, a.Rows);
            for (var k = 0; k < a.Rows; k += Block)
                InvertRows<V, TSimd>(k, Math.Min(Block, a.Rows - k), rows);

            // The product Xᵀ·X reads all of X = L⁻¹, so it cannot be formed in place.
            using var product = new Matrix<T>(a.Rows, a.Rows);
            for (var k = 0; k < a.Rows; k += Block)
            {
                var size = Math.Min(Block, a.Rows - k);
                var x = new Operand<T>(a.Pointer + (nint)k * a.Stride, a.Stride, 1);
                Gemm<T, V, TSimd>.MultiplyAdd(product.Pointer, product.Stride, k + size, k + size, size, T.One, x.Transposed, x, lowerOnly: true);
            }

            product.CopyTo(a);
            return 0;
        }

        /// <summary>
        /// Rows k … k+size of X = L⁻¹ in place of those of L, given the rows above: L_kk·X_k = I − Σ over the rows above of L_kj·X_j.
        /// </summary>
        private void InvertRows<V, TSimd>(int k, int size, Matrix<T> rows)
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            var stride = (nint)a.Stride;
            var l = a.Pointer + k * stride;
            for (var i = 0; i < size; i++)
            {
                rows.Row(i)[..(k + size)].Clear();
                rows[i, k + i] = T.One;
            }

            for (var j = 0; j < k; j += Block)
                Gemm<T, V, TSimd>.MultiplyAdd(rows.Pointer, rows.Stride, size, j + Block, Block, T.NegativeOne, new(l + j, stride, 1), new(a.Pointer + j * stride, stride, 1), lowerOnly: false);
            for (var i = 0; i < size; i++)
            {
                var x = rows.Pointer + (nint)i * rows.Stride;
                for (var q = 0; q < i; q++)
                    Axpy<T, V, TSimd>.Subtract(x, rows.Pointer + (nint)q * rows.Stride, l[i * stride + k + q], k + q + 1);
                var pivot = l[i * stride + k + i];
                for (var j = 0; j <= k + i; j++)
                    x[j] /= pivot;
            }

            for (var i = 0; i < size; i++)
                rows.Row(i)[..(k + size)].CopyTo(a.Row(k + i));
        }
    }
}
