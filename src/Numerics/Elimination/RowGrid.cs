using System.Numerics;

namespace Orchestrator.Numerics;

/// <summary>
/// The uniform levels of one row, algorithms.md 0.2: code(w) = clip(round(w / scale) + zero, 0, maximumCode) with halves to
/// even, value(w) = scale · (code − zero).
/// </summary>
/// <remarks>
/// Levels are float32 numbers and weights are rounded in float32, whatever the type: an elimination in double then compensates for
/// the very values that a model stores, and decides ties as the original code does.
/// </remarks>
/// <param name="Scale">Step between levels, positive.</param>
/// <param name="Zero">The code of the value 0.</param>
/// <param name="MaximumCode">The largest code, 2^bits − 1.</param>
public readonly record struct RowGrid<T>(T Scale, int Zero, int MaximumCode)
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    /// <summary>The code of the level nearest to a weight.</summary>
    public int Code(T weight)
    {
        var code = MathF.Round(float.CreateTruncating(weight) / float.CreateTruncating(Scale)) + Zero;
        return (int)Math.Clamp(code, 0, MaximumCode);
    }

    /// <summary>The value of a code.</summary>
    public T Value(int code) => T.CreateTruncating(float.CreateTruncating(Scale) * (code - Zero));
}
