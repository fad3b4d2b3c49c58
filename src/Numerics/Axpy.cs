using System.Numerics;
using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>y ← y − a·x, one fused operation per element: the same bits at every width.</summary>
internal static unsafe class Axpy<T, V, TSimd>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where V : unmanaged
    where TSimd : struct, ISimd<T, V>
{
    /// <summary>The operands may be equal or apart, not shifted against each other.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Subtract(T* y, T* x, T a, int count)
    {
        var j = 0;
        for (var factor = TSimd.Broadcast(a); j <= count - TSimd.Count; j += TSimd.Count)
            TSimd.Store(y + j, TSimd.MultiplySubtractFrom(factor, TSimd.Load(x + j), TSimd.Load(y + j)));
        for (; j < count; j++)
            y[j] = SimdScalar<T>.MultiplySubtractFrom(a, x[j], y[j]);
    }
}
