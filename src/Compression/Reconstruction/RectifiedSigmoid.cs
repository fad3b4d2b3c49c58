namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// How far a weight is rounded up, AdaRound's h (algorithms.md 2.1): the sigmoid stretched to [γ, ζ] and clipped to [0, 1], so that 0 and 1 are
/// reached and not only approached.
/// </summary>
internal static class RectifiedSigmoid
{
    public const double Zeta = 1.1;
    public const double Gamma = -0.1;

    /// <summary>h(v), in [0, 1].</summary>
    public static double Value(double v) => Math.Clamp(Stretched(v), 0, 1);

    /// <summary>dh/dv: 0 where h is clipped.</summary>
    public static double Derivative(double v)
    {
        var sigmoid = Sigmoid(v);
        return Stretched(v) is > 0 and < 1 ? (Zeta - Gamma) * sigmoid * (1 - sigmoid) : 0;
    }

    /// <summary>The v with h(v) = r.</summary>
    /// <param name="r">In [0, 1].</param>
    public static double Inverse(double r)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(r);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(r, 1);
        return -Math.Log((Zeta - Gamma) / (r - Gamma) - 1);
    }

    private static double Stretched(double v) => Sigmoid(v) * (Zeta - Gamma) + Gamma;

    private static double Sigmoid(double v) => 1 / (1 + Math.Exp(-v));
}
