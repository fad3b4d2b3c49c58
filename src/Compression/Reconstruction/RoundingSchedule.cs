using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>What changes from step to step of a reconstruction; steps are counted from 1 to <paramref name="Iterations"/> (algorithms.md 2.2 and 3.5).</summary>
/// <param name="Warmup">Share of the steps without penalty.</param>
/// <param name="FirstBeta">The penalty's exponent until the warm-up ends.</param>
/// <param name="LastBeta">The same at the last step.</param>
/// <param name="Lambda">Weight of the penalty.</param>
internal sealed record RoundingSchedule(int Iterations, double Warmup, double FirstBeta, double LastBeta, double Lambda)
{
    /// <exception cref="ArgumentException">The parameters are those of a phase that tunes no weights.</exception>
    public static RoundingSchedule Of(ReconstructionParameters parameters) => parameters is { Warmup: { } warmup, FirstBeta: { } first, LastBeta: { } last, Lambda: { } lambda }
        ? new(parameters.Iterations, warmup, first, last, lambda)
        : throw new ArgumentException("A phase that tunes no weights has no schedule for their rounding.", nameof(parameters));

    /// <summary>Constant during the warm-up, then linear (the original's comment calls it a cosine).</summary>
    public double Beta(int step)
    {
        var start = Warmup * Iterations;
        return step < start ? FirstBeta : LastBeta + (FirstBeta - LastBeta) * Math.Max(0, 1 - (step - start) / Math.Max(1, Iterations - start));
    }

    /// <summary>0 during the warm-up, then λ.</summary>
    public double PenaltyWeight(int step) => step < Warmup * Iterations ? 0 : Lambda;

    /// <summary>λ·Σ(1 − |2h − 1|^β) has this value for one rounding.</summary>
    public double Penalty(int step, double h) => PenaltyWeight(step) * (1 - Math.Pow(Math.Abs(2 * h - 1), Beta(step)));

    /// <summary>From the full rate at the first step to 0 after the last one, along half a cosine.</summary>
    public static double CosineRate(double rate, int step, int iterations) => rate * (1 + Math.Cos(Math.PI * (step - 1) / iterations)) / 2;
}
