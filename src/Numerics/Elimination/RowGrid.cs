using System.Numerics;

namespace Orchestrator.Numerics;

/// <summary>
/// The uniform levels of one row, algorithms.md 0.2: code(w) = clip(round(w / scale) + zero, 0, maximumCode) with halves to
/// even, value(w) = scale · (code − zero).
/// </summary>
/// <param name="Scale">Step between levels, positive.</param>
/// <param name="Zero">The code of the value 0.</param>
/// <param name="MaximumCode">The largest code, 2^bits − 1.</param>
public readonly record struct RowGrid<T>(T Scale, int Zero, int MaximumCode)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>The code of the level nearest to a weight.</summary>
    public int Code(T weight)
    {
        var code = T.Round(weight / Scale) + T.CreateTruncating(Zero);
        return int.CreateTruncating(T.Clamp(code, T.Zero, T.CreateTruncating(MaximumCode)));
    }

    /// <summary>The value of a code.</summary>
    public T Value(int code) => Scale * T.CreateTruncating(code - Zero);
}
