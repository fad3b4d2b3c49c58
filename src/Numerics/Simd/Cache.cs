using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics.X86;

namespace Orchestrator.Numerics.Simd;

/// <summary>Hints to the cache. They change no result, and where the machine has none they vanish.</summary>
internal static unsafe class Cache
{
    /// <summary>Bytes in a line on every processor the kernels are tuned for.</summary>
    public const int Line = 64;

    /// <summary>Asks for a line to be brought into the second level. Any address is allowed.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public static void Prefetch(void* address)
    {
        if (Sse.IsSupported)
            Sse.Prefetch1(address);
    }
}
