using System.Numerics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>Solves with a lower triangular matrix and with its transpose, in place. Only the lower triangle is read.</summary>
public static unsafe class TriangularSolve
{
    /// <summary>x with L·x = b.</summary>
    /// <param name="lower">L [n × n] with a non-zero diagonal; a zero there gives infinities or NaN.</param>
    /// <param name="b">b at entry, x at exit [n].</param>
    /// <param name="width">Kernel width; every width gives the same bits.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public static void Lower<T>(Matrix<T> lower, Span<T> b, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => Run(lower, b, transposed: false, width);

    /// <summary>x with Lᵀ·x = b.</summary>
    /// <param name="lower">L [n × n] with a non-zero diagonal; a zero there gives infinities or NaN.</param>
    /// <param name="b">b at entry, x at exit [n].</param>
    /// <param name="width">Kernel width; every width gives the same bits.</param>
    /// <exception cref="ArgumentException">The shapes do not fit.</exception>
    public static void LowerTransposed<T>(Matrix<T> lower, Span<T> b, KernelWidth width = KernelWidth.Default)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => Run(lower, b, transposed: true, width);

    private static void Run<T>(Matrix<T> lower, Span<T> b, bool transposed, KernelWidth width)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (lower.Rows != lower.Columns || b.Length != lower.Rows)
            throw new ArgumentException($"L is {lower.Rows} × {lower.Columns}, b has {b.Length} elements.", nameof(b));
        fixed (T* x = b)
            KernelWidths.Run<T, int, Code<T>>(width, new(lower, x, transposed));
        GC.KeepAlive(lower);
    }

    private readonly struct Code<T>(Matrix<T> lower, T* x, bool transposed) : IWidthGeneric<T, int>
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        /// <summary>Partial sums of a dot product: as many at every width, so that every width gives the same bits.</summary>
        private const int Lanes = 16;

        public int Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            if (transposed)
                Backward<V, TSimd>();
            else
                Forward<V, TSimd>();
            return 0;
        }

        private void Forward<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            var sums = stackalloc T[Lanes];
            for (var i = 0; i < lower.Rows; i++)
            {
                var row = lower.Pointer + (nint)i * lower.Stride;
                x[i] = (x[i] - Dot<V, TSimd>(row, i, sums)) / row[i];
            }
        }

        private void Backward<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            for (var i = lower.Rows - 1; i >= 0; i--)
            {
                var row = lower.Pointer + (nint)i * lower.Stride;
                x[i] /= row[i];
                Axpy<T, V, TSimd>.Subtract(x, row, x[i], i);
            }
        }

        private T Dot<V, TSimd>(T* row, int count, T* sums)
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            new Span<T>(sums, Lanes).Clear();
            var whole = count / Lanes * Lanes;
            for (var lane = 0; lane < Lanes; lane += TSimd.Count)
            {
                V sum = default;
                for (var j = lane; j < whole; j += Lanes)
                    sum = TSimd.MultiplyAdd(TSimd.Load(row + j), TSimd.Load(x + j), sum);
                TSimd.Store(sums + lane, sum);
            }

            for (var j = whole; j < count; j++)
                sums[j - whole] = T.FusedMultiplyAdd(row[j], x[j], sums[j - whole]);
            for (var half = Lanes / 2; half > 0; half /= 2)
            {
                for (var lane = 0; lane < half; lane++)
                    sums[lane] += sums[lane + half];
            }

            return sums[0];
        }
    }
}
