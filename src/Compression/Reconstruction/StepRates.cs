using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// The rates of a reconstruction's steps, and what else changes with them: constant for roundings, along half a cosine down to 0 for step sizes of
/// activations (algorithms.md 3.5 and 3.8).
/// </summary>
/// <param name="Rounding">Null where no weights are rounded.</param>
/// <param name="Rate">Of roundings.</param>
/// <param name="ScaleRate">Of step sizes, at the first step.</param>
internal sealed record StepRates(RoundingSchedule? Rounding, double Rate, double ScaleRate, int Iterations)
{
    /// <exception cref="ArgumentException">The parameters are those of another phase.</exception>
    public static StepRates Of(ReconstructionProblem problem)
    {
        var (parameters, factor) = (problem.Parameters, problem.RateFactor);
        var (rounding, rate, scaleRate) = problem.Phase switch
        {
            ReconstructionPhase.Weights => (RoundingSchedule.Of(parameters), parameters.Rate, 0),
            ReconstructionPhase.Activations => (null, 0, parameters.Rate),
            _ => (RoundingSchedule.Of(parameters), parameters.Rate, parameters.ActivationRate ?? throw new ArgumentException("Step sizes that are tuned beside weights need a rate.", nameof(problem))),
        };
        return new StepRates(rounding, rate * factor, scaleRate * factor, parameters.Iterations);
    }

    /// <param name="step">Counted from 1.</param>
    public (double Rate, double ScaleRate, double Beta, double PenaltyWeight) At(int step) =>
        (Rate, RoundingSchedule.CosineRate(ScaleRate, step, Iterations), Rounding?.Beta(step) ?? 1, Rounding?.PenaltyWeight(step) ?? 0);
}
