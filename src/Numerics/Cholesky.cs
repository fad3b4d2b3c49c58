using System.Numerics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>A = L·Lᵀ for symmetric positive definite A, blocked and right-looking.</summary>
public static unsafe class Cholesky
{
    /// <summary>Columns of a block: its triangle and a row of the panel stay in the first cache level.</summary>
    internal const int Block = 64;

    /// <summary>
    /// Replaces the lower triangle of <paramref name="a"/> [n × n] by L. Only the lower triangle is read; what lies above the
    /// diagonal is undefined afterwards.
    /// </summary>
    /// <param name="a">The matrix; undefined when the method returns false.</param>
    /// <param name="pivot">The first column whose pivot is not positive and finite, or −1.</param>
    /// <param name="width">Kernel width; every width gives the same bits.</param>
    /// <returns>Whether <paramref name="a"/> is numerically positive definite.</returns>
    /// <exception cref="ArgumentException">The matrix is not square.</exception>
    public static bool TryFactor<T>(Matrix<T> a, out int pivot, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (a.Rows != a.Columns)
            throw new ArgumentException($"A square matrix expected, {a.Rows} × {a.Columns} given.", nameof(a));
        pivot = KernelWidths.Run<T, int, Code<T>>(width, new(a));
        GC.KeepAlive(a);
        return pivot < 0;
    }

    /// <summary>Solves A·x = b in place from the factor of A.</summary>
    /// <param name="factor">L [n × n] as <see cref="TryFactor"/> leaves it.</param>
    /// <param name="b">The right-hand side at entry, x at exit [n].</param>
    /// <param name="width">Kernel width.</param>
    public static void Solve<T>(Matrix<T> factor, Span<T> b, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        TriangularSolve.Lower(factor, b, width);
        TriangularSolve.LowerTransposed(factor, b, width);
    }

    /// <summary>Solves A·x = b in place for every row b of <paramref name="rightHandSides"/> [k × n].</summary>
    public static void Solve<T>(Matrix<T> factor, Matrix<T> rightHandSides, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        for (var row = 0; row < rightHandSides.Rows; row++)
            Solve(factor, rightHandSides.Row(row), width);
    }

    /// <summary>Solves A·x = b for symmetric positive definite A; overwrites A with its factor and b with x.</summary>
    /// <returns>False, with b as given, when A is not numerically positive definite.</returns>
    public static bool TrySolve<T>(Matrix<T> a, Span<T> b, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (!TryFactor(a, out _, width))
            return false;
        Solve(a, b, width);
        return true;
    }

    private readonly struct Code<T>(Matrix<T> a) : IWidthGeneric<T, int>
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        public int Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            var n = a.Rows;
            var stride = (nint)a.Stride;
            using var transposed = new Matrix<T>(Block, Block);
            for (var k = 0; k < n; k += Block)
            {
                var size = Math.Min(Block, n - k);
                var diagonal = a.Pointer + k * stride + k;
                var failed = FactorBlock<V, TSimd>(diagonal, stride, size, transposed);
                if (failed >= 0)
                    return k + failed;
                var panel = diagonal + size * stride;
                for (var i = 0; i < n - k - size; i++)
                    SolveRow<V, TSimd>(panel + i * stride, size, transposed);
                var x = new Operand<T>(panel, stride, 1);
                Gemm<T, V, TSimd>.MultiplyAdd(panel + size, stride, n - k - size, n - k - size, size, T.NegativeOne, x, x.Transposed, lowerOnly: true);
            }

            return -1;
        }

        /// <summary>Factors one diagonal block and leaves its transpose, with the pivots on the diagonal, in <paramref name="transposed"/>.</summary>
        private static int FactorBlock<V, TSimd>(T* block, nint stride, int size, Matrix<T> transposed)
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            for (var k = 0; k < size; k++)
            {
                var pivot = block[k * stride + k];
                if (!(pivot > T.Zero) || !T.IsFinite(pivot))
                    return k;
                var root = T.Sqrt(pivot);
                var column = transposed.Pointer + (nint)k * transposed.Stride;
                block[k * stride + k] = column[k] = root;
                for (var i = k + 1; i < size; i++)
                    block[i * stride + k] = column[i] = block[i * stride + k] / root;
                for (var i = k + 1; i < size; i++)
                    Axpy<T, V, TSimd>.Subtract(block + i * stride + k + 1, column + k + 1, column[i], i - k);
            }

            return -1;
        }

        /// <summary>x ← x · L⁻ᵀ for one row below a factored block.</summary>
        private static void SolveRow<V, TSimd>(T* x, int size, Matrix<T> transposed)
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            for (var k = 0; k < size; k++)
            {
                var column = transposed.Pointer + (nint)k * transposed.Stride;
                x[k] /= column[k];
                Axpy<T, V, TSimd>.Subtract(x + k + 1, column + k + 1, x[k], size - k - 1);
            }
        }
    }
}
