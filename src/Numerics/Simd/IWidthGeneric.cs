using System.Numerics;

namespace Orchestrator.Numerics.Simd;

/// <summary>Code to be compiled once per vector width. See <see cref="KernelWidths.Run"/>.</summary>
internal interface IWidthGeneric<T, TResult>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    TResult Run<V, TSimd>()
        where V : unmanaged
        where TSimd : struct, ISimd<T, V>;
}
