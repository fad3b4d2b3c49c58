using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>The loss as it goes: thinned out for the report, and told when it is no number or explodes.</summary>
/// <param name="every">Steps a point of the curve.</param>
/// <param name="nearestLoss">With every rounding to the nearest level, on all samples: what a tuned group is measured against.</param>
internal sealed class LossWatch(int every, double nearestLoss)
{
    /// <summary>
    /// A soft rounding stays between two levels, so a sound loss is of the order of the nearest levels' one. Means of a point's steps are compared:
    /// one minibatch of odd samples is no explosion.
    /// </summary>
    public const double ExplodesAt = 1_000;

    private readonly List<CurvePoint> _curve = [];
    private (double Loss, double Penalty, int Steps) _open;

    /// <summary>What makes up a state: points, and the sums since the last one.</summary>
    public (IReadOnlyList<CurvePoint> Curve, double Loss, double Penalty, int Steps) Snapshot => ([.. _curve], _open.Loss, _open.Penalty, _open.Steps);

    /// <summary>Goes on where a state was taken.</summary>
    public static LossWatch From(int every, double nearestLoss, ReconstructionState state)
    {
        var watch = new LossWatch(every, nearestLoss);
        watch._curve.AddRange(state.Curve);
        watch._open = (state.OpenLoss, state.OpenPenalty, state.OpenSteps);
        return watch;
    }

    /// <summary>Takes a step's loss.</summary>
    /// <returns>What is wrong with it; null where nothing is.</returns>
    public string? Add(int step, double loss, double penalty)
    {
        if (!double.IsFinite(loss) || !double.IsFinite(penalty))
            return $"the loss was no finite number at step {step}";
        _open = (_open.Loss + loss, _open.Penalty + penalty, _open.Steps + 1);
        if (_open.Steps < every)
            return null;
        var point = new CurvePoint(step, _open.Loss / _open.Steps, _open.Penalty / _open.Steps);
        _curve.Add(point);
        _open = default;
        return nearestLoss > 0 && point.Loss > ExplodesAt * nearestLoss
            ? FormattableString.Invariant($"the loss was {point.Loss:G4} at step {step}, where the nearest codes have {nearestLoss:G4}")
            : null;
    }
}
