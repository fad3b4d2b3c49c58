using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Estimates;

/// <summary>
/// What the training steps of a group take: the one place with figures of how they compare with a forward pass. Products run at its rate; the rest is fitted to the
/// processor time of runs on a network of depthwise convolutions and holds on a residual one, too (infra/docs/results.md).
/// </summary>
internal static class StepWork
{
    /// <summary>Simple operations on weights a step, beside its products: soft roundings, penalty, their gradients and Adam; a power and an exponential among them count for several.</summary>
    private const double WeightOperations = 60;

    /// <summary>The same on elements of activations: what lies between layers, and back.</summary>
    private const double ActivationOperations = 4;

    /// <summary>More of them where activations are quantized: rounding, clipping, and gradients of step sizes.</summary>
    private const double QuantizedOperations = 3;

    /// <summary>Of them a second, where they stay in the cache: four-byte elements through the runtime's kernels.</summary>
    private const double Elementwise = 1.2e9;

    /// <summary>Where one state is left for so many steps, or a twentieth of all of them.</summary>
    private const int FewestStepsPerState = 250;

    private const int MostStepsPerState = 1_000;
    private const int MostStates = 20;

    /// <summary>Processor time of all steps.</summary>
    /// <param name="cost">Nominal operations of their products.</param>
    public static double Seconds(ReconstructSpec spec, IReadOnlyList<LayerPlan> layers, double cost, MachineSpeed speed)
    {
        var weights = spec.Phase == ReconstructionPhase.Activations ? 0 : layers.Sum(layer => (double)layer.Shape.Rows * layer.Shape.Columns);
        var outputs = spec.Parameters.Batch * layers.Sum(layer => (double)layer.Positions * layer.Shape.Rows);
        var elementwise = WeightOperations * weights + (ActivationOperations + (spec.Activations is null ? 0 : QuantizedOperations)) * outputs;
        // Weights that are not tuned have no gradients: a third of the products.
        var products = cost * (spec.Phase == ReconstructionPhase.Activations ? 2.0 / 3 : 1);
        return products / speed.Forward + spec.Parameters.Iterations * elementwise / Elementwise;
    }

    /// <summary>States that are left on the way.</summary>
    public static int States(int iterations) => Math.Max(0, (iterations - 1) / Math.Clamp(iterations / MostStates, FewestStepsPerState, MostStepsPerState));
}
