using Orchestrator.Compression.Hessians;
using Orchestrator.Jobs;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// Eliminates one row after another, in float where the method allows it, and proves each result: the losses of the steps must add up to ½·Δw·H·Δwᵀ, taken
/// in double (algorithms.md 5.12). A row that fails the proof, or whose Hessian is too ill-conditioned, is computed in double
/// from the double inverse; one that fails even then gets more damping. What a row gets depends on that row alone.
/// </summary>
internal sealed class RowEngine : IDisposable
{
    /// <summary>
    /// Beyond it float carries too few digits through a chain of downdates to be worth a try. Measured on correlated inputs of 256
    /// columns: losses of float and double results agree to five digits up to 7e4, and part at 7e5.
    /// </summary>
    public const double LargestSingleInflation = 2e4;

    /// <summary>In double, relative difference between the sum of the steps and the loss of the result.</summary>
    public const double DoubleDrift = 1e-3;

    // Losses this small against that of removing the whole row are rounding errors of float weights, not drift.
    private const double NoiseFloor = 1e-9;

    private readonly SolverInput _input;
    private readonly RescueLog _rescues;
    private readonly ObsElimination<float> _single;
    private readonly float[] _singleWeights;
    private ObsElimination<double>? _double;
    private Matrix<double>? _keptDouble;

    public RowEngine(SolverInput input, RescueLog rescues)
    {
        _input = input;
        _rescues = rescues;
        _single = new(input.Columns, input.Width);
        _singleWeights = new float[input.Columns];
    }

    /// <summary>Where set, receives the row after each step [steps × columns].</summary>
    public Matrix<float>? Kept { get; init; }

    /// <summary>Runs a method on one row.</summary>
    /// <param name="before">The row at entry [columns].</param>
    /// <param name="after">The row at exit [columns].</param>
    /// <param name="order">As of <see cref="IRowElimination{T}"/>; its length limits the steps.</param>
    /// <returns>Steps made.</returns>
    /// <exception cref="InputException">The row's Hessian cannot be used at any damping.</exception>
    public int Eliminate(IRowMethod method, RowSystem system, ReadOnlySpan<double> before, Span<double> after, Span<int> order, Span<double> losses, CancellationToken cancellationToken)
    {
        before.CopyTo(after);
        if (system.Hessian.Columns == 0)
            return 0;
        if (system.Hessian.Columns <= method.DoubleColumns)
            return InDouble(method, system, before, after, order, losses, cancellationToken);
        if (system.Inflation > LargestSingleInflation)
        {
            _rescues.IllConditionedRow(system.Inflation);
        }
        else
        {
            var result = Single(method, system, before, after, order, losses);
            var drift = Drift(result, system, before, after, losses);
            if (drift <= method.SingleDrift)
                return result.Steps;
            _rescues.DriftedRow(drift);
        }

        return InDouble(method, system, before, after, order, losses, cancellationToken);
    }

    public void Dispose()
    {
        _single.Dispose();
        _double?.Dispose();
        _keptDouble?.Dispose();
    }

    private EliminationResult Single(IRowMethod method, RowSystem system, ReadOnlySpan<double> before, Span<double> after, Span<int> order, Span<double> losses)
    {
        for (var j = 0; j < before.Length; j++)
            _singleWeights[j] = (float)before[j];
        _single.Kept = Kept;
        var result = method.Run(_single, system.SingleInverse, system.Columns, _singleWeights, order, losses);
        for (var j = 0; j < after.Length; j++)
            after[j] = _singleWeights[j];
        return result;
    }

    private int InDouble(IRowMethod method, RowSystem system, ReadOnlySpan<double> before, Span<double> after, Span<int> order, Span<double> losses, CancellationToken cancellationToken)
    {
        _double ??= new(_input.Columns, _input.Width);
        if (Kept is not null)
            _double.Kept = _keptDouble ??= new Matrix<double>(Kept.Rows, Kept.Columns);
        var current = system;
        try
        {
            while (true)
            {
                before.CopyTo(after);
                var result = method.Run(_double, current.Inverse, current.Columns, after, order, losses);
                if (Drift(result, current, before, after, losses) <= DoubleDrift)
                {
                    KeepDouble(result.Steps);
                    return result.Steps;
                }

                var raised = current.Raise(_input.Width, cancellationToken) ?? throw DampedInverse.NotSemidefinite();
                _rescues.Damping(_input.Damping, raised.MeanDiagonal, raised.Lambda);
                if (!ReferenceEquals(current, system))
                    current.Dispose();
                current = raised;
            }
        }
        finally
        {
            if (!ReferenceEquals(current, system))
                current.Dispose();
        }
    }

    private void KeepDouble(int steps)
    {
        if (Kept is null)
            return;
        for (var step = 0; step < steps; step++)
        {
            var from = _keptDouble!.Row(step);
            var to = Kept.Row(step);
            for (var j = 0; j < to.Length; j++)
                to[j] = (float)from[j];
        }
    }

    /// <summary>|Σ dL − ½·Δw·H·Δwᵀ| relative to the latter; infinite where the elimination broke down.</summary>
    private static double Drift(EliminationResult result, RowSystem system, ReadOnlySpan<double> before, ReadOnlySpan<double> after, ReadOnlySpan<double> losses)
    {
        if (!result.Completed)
            return double.PositiveInfinity;
        var sum = 0.0;
        foreach (var growth in losses[..result.Steps])
            sum += growth;
        var loss = system.Loss(before, after);
        var difference = Math.Abs(sum - loss);
        if (difference > DoubleDrift * loss)
            difference = Math.Max(0, difference - NoiseFloor * system.Loss(before, []));
        if (difference == 0)
            return 0;
        var drift = difference / loss;
        return double.IsNaN(drift) ? double.PositiveInfinity : drift;
    }
}
