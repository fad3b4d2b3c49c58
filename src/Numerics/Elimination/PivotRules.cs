using System.Numerics;
using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>What distinguishes pruning from quantization inside the elimination loop; a struct, so that the JIT inlines it.</summary>
internal interface IPivotRule<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>Whether the column with the largest residual is looked for beside the cheapest one.</summary>
    static abstract bool WatchesOutliers { get; }

    /// <summary>Squared residuals above it make the outlier rule of algorithms.md 5.7 apply.</summary>
    T OutlierThreshold { get; }

    /// <summary>r in algorithms.md 5.1: how far a weight is from the value it would be fixed at.</summary>
    V Residual<V, TSimd>(V w)
        where V : unmanaged
        where TSimd : struct, ISimd<T, V>;

    /// <summary>The value a weight is fixed at.</summary>
    T Fix(T w, out int code);
}

/// <summary>Weights are fixed at zero.</summary>
internal readonly struct PruningRule<T> : IPivotRule<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    public static bool WatchesOutliers => false;

    public T OutlierThreshold => T.PositiveInfinity;

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Residual<V, TSimd>(V w)
        where V : unmanaged
        where TSimd : struct, ISimd<T, V> => w;

    public T Fix(T w, out int code)
    {
        code = 0;
        return T.Zero;
    }
}

/// <summary>Weights are fixed at the nearest level of a grid, in the float32 arithmetic of <see cref="RowGrid{T}"/>.</summary>
internal readonly struct QuantizingRule<T>(RowGrid<T> grid) : IPivotRule<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly RowGrid<T> _grid = grid;
    private readonly T _scale = T.CreateTruncating(float.CreateTruncating(grid.Scale));
    private readonly T _zero = T.CreateTruncating(grid.Zero);
    private readonly T _maximum = T.CreateTruncating(grid.MaximumCode);

    public static bool WatchesOutliers => true;

    public T OutlierThreshold { get; } = EliminationArguments.OutlierThreshold(grid.Scale);

    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    public V Residual<V, TSimd>(V w)
        where V : unmanaged
        where TSimd : struct, ISimd<T, V>
    {
        var scale = TSimd.Broadcast(_scale);
        var zero = TSimd.Broadcast(_zero);
        var code = TSimd.Add(TSimd.Round(ToSingle<V, TSimd>(TSimd.Divide(ToSingle<V, TSimd>(w), scale))), zero);
        code = TSimd.Min(TSimd.Max(code, TSimd.Broadcast(T.Zero)), TSimd.Broadcast(_maximum));
        return TSimd.Subtract(w, ToSingle<V, TSimd>(TSimd.Multiply(scale, TSimd.Subtract(code, zero))));
    }

    public T Fix(T w, out int code)
    {
        code = _grid.Code(w);
        return _grid.Value(code);
    }

    /// <summary>Rounds lanes of double to 24 bits (Veltkamp's splitting); lanes of float are returned as they are.</summary>
    [MethodImpl(MethodImplOptions.AggressiveInlining)]
    private static V ToSingle<V, TSimd>(V x)
        where V : unmanaged
        where TSimd : struct, ISimd<T, V>
    {
        if (typeof(T) == typeof(float))
            return x;
        var spread = TSimd.Multiply(x, TSimd.Broadcast(T.CreateTruncating((1 << 29) + 1)));
        return TSimd.Subtract(spread, TSimd.Subtract(spread, x));
    }
}
