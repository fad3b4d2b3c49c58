namespace Orchestrator.Jobs.Units;

/// <summary>How a group's reconstruction went.</summary>
public sealed record ReconstructionMetrics
{
    public required ReconstructionPhase Phase { get; init; }

    /// <summary>On all calibration samples: with every weight, or step size, as it was when the tuning began, hard-rounded to the nearest code.</summary>
    public required double NearestLoss { get; init; }

    /// <summary>The same with what was kept.</summary>
    public required double Loss { get; init; }

    /// <summary>Steps of the optimiser that led to what was kept.</summary>
    public required int Iterations { get; init; }

    /// <summary>The rate that led to it.</summary>
    public required double Rate { get; init; }

    /// <summary>The loss as it went, thinned out; of the last try.</summary>
    public required IReadOnlyList<CurvePoint> Curve { get; init; }

    /// <summary>Why what was tuned was not kept, or not tuned at all; null where it was.</summary>
    public string? Reason { get; init; }

    public required IReadOnlyList<ReconstructedLayerMetrics> Layers { get; init; }

    /// <summary>Number of the state that the attempt went on from, which an earlier one had left; null where it began at the beginning.</summary>
    public int? ResumedFrom { get; init; }
}

/// <param name="Iteration">Steps done by then.</param>
/// <param name="Loss">Of the output, means of the minibatches since the point before.</param>
/// <param name="Penalty">On undecided roundings, its weight included.</param>
public readonly record struct CurvePoint(int Iteration, double Loss, double Penalty);

/// <param name="Index">Of the layer in the plan.</param>
/// <param name="Method">What its weights come from: <c>adaround</c> for a layer by itself, <c>brecq</c> for layers together, <c>rtn</c> or <c>obq</c>; null where they were not tuned.</param>
/// <param name="Flipped">Share of the weights whose code is not the nearest.</param>
/// <param name="Converged">Share of the roundings that were decided when the tuning ended.</param>
public sealed record ReconstructedLayerMetrics(int Index, string? Method, long Weights, long ZeroWeights, double? Flipped, double? Converged);
