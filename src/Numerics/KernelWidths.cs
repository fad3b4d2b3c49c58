using System.Collections.Immutable;
using System.Numerics;
using System.Runtime.CompilerServices;
using System.Runtime.Intrinsics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>The one place that lists the variants of the kernels, in order of preference.</summary>
public static class KernelWidths
{
    /// <summary>The widths this machine runs in hardware, best first. Never empty.</summary>
    public static ImmutableArray<KernelWidth> Supported { get; } = List();

    /// <summary>The width that <see cref="KernelWidth.Default"/> stands for on this machine.</summary>
    public static KernelWidth Best => Supported[0];

    /// <summary>The word for a width in a numeric profile: <c>avx512</c>, <c>avx2</c>, <c>v128</c> or <c>scalar</c>.</summary>
    public static string Name(KernelWidth width) => Resolve(width) switch
    {
        KernelWidth.Vector512 => "avx512",
        KernelWidth.Vector256 => "avx2",
        KernelWidth.Vector128 => "v128",
        _ => "scalar",
    };

    /// <summary>The width of a name that <see cref="Name"/> gives, supported here or not; null for any other word.</summary>
    public static KernelWidth? Parse(string name) => name switch
    {
        "avx512" => KernelWidth.Vector512,
        "avx2" => KernelWidth.Vector256,
        "v128" => KernelWidth.Vector128,
        "scalar" => KernelWidth.Scalar,
        _ => null,
    };

    /// <summary>Replaces <see cref="KernelWidth.Default"/> by the best width.</summary>
    /// <exception cref="PlatformNotSupportedException">The width is not in <see cref="Supported"/>.</exception>
    public static KernelWidth Resolve(KernelWidth width)
    {
        if (width == KernelWidth.Default)
            return Best;
        return Supported.Contains(width) ? width : throw new PlatformNotSupportedException($"This machine has no kernels of width {width}; it has {string.Join(", ", Supported)}.");
    }

    /// <summary>Runs generic code compiled for one width.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    internal static TResult Run<T, TResult, TCode>(KernelWidth width, TCode code)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
        where TCode : struct, IWidthGeneric<T, TResult>, allows ref struct => Resolve(width) switch
        {
            KernelWidth.Vector512 => code.Run<Vector512<T>, Simd512<T>>(),
            KernelWidth.Vector256 => code.Run<Vector256<T>, Simd256<T>>(),
            KernelWidth.Vector128 => code.Run<Vector128<T>, Simd128<T>>(),
            _ => code.Run<T, SimdScalar<T>>(),
        };

    private static ImmutableArray<KernelWidth> List()
    {
        var widths = ImmutableArray.CreateBuilder<KernelWidth>();

        // Only where the runtime itself calls 512 bits profitable: on earlier parts they lower the clock of the whole core.
        if (Vector512.IsHardwareAccelerated)
            widths.Add(KernelWidth.Vector512);

        // Every kernel is built on fused multiply-add; AVX2 parts without it do not exist outside emulators.
        if (Vector256.IsHardwareAccelerated)
            widths.Add(KernelWidth.Vector256);

        // NEON, and x86 with AVX2 switched off.
        if (Vector128.IsHardwareAccelerated)
            widths.Add(KernelWidth.Vector128);

        // The reference for the others, and any other machine.
        widths.Add(KernelWidth.Scalar);
        return widths.ToImmutable();
    }
}
