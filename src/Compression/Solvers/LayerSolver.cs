using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Masks;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// The OBC methods as units call them: one entry for each phase of a rows unit, one for the global mask, and one for a whole
/// layer. Pure functions: the result of a row depends on its weights, its Hessian and the step, never on the rows beside it.
/// </summary>
/// <remarks>
/// Columns come and go in the layer's order (ci, kh, kw). For nm and block they are reordered inside to (kh, kw, ci), so that
/// groups and blocks hold input channels at one kernel position; block numbers of a trace count in that order.
/// </remarks>
public static class LayerSolver
{
    private const string ExactObsMethod = "exact-obs";
    private const string NmMethod = "nm";
    private const string BlockMethod = "block";
    private const string ObqMethod = "obq";
    private const string RtnMethod = "rtn";

    /// <summary><see cref="RowsPhase.Trace"/>: elimination order and losses, for exact-obs and block.</summary>
    /// <exception cref="InputException">The input does not fit the step.</exception>
    public static TraceResult Trace(SolverInput input, CompressStepSpec step, CancellationToken cancellationToken = default)
    {
        using var ordered = OrderedInput.Of(input, step);
        return step.Method switch
        {
            ExactObsMethod => ExactObs.Trace(ordered.Input, cancellationToken),
            BlockMethod => BlockSparsity.Trace(ordered.Input, Unit(step), cancellationToken),
            _ => throw Misdirected(step, RowsPhase.Trace),
        };
    }

    /// <summary><see cref="RowsPhase.Finish"/>: final weights of exact-obs and block for a mask.</summary>
    /// <param name="order">Order of the input's rows, as <see cref="Trace"/> gives it.</param>
    /// <param name="counts">Counts of the input's rows, cut from those of <see cref="Select"/>.</param>
    /// <exception cref="InputException">The input does not fit the step.</exception>
    public static RowsResult Finish(SolverInput input, CompressStepSpec step, ReadOnlySpan<int> order, ReadOnlySpan<int> counts, CancellationToken cancellationToken = default)
    {
        using var ordered = OrderedInput.Of(input, step);
        var rows = step.Method switch
        {
            ExactObsMethod => ExactObs.Finish(ordered.Input, order, counts, cancellationToken),
            BlockMethod => BlockSparsity.Finish(ordered.Input, Unit(step), order, counts, cancellationToken),
            _ => throw Misdirected(step, RowsPhase.Finish),
        };
        return Measure(input, ordered.Restore(rows));
    }

    /// <summary><see cref="RowsPhase.Finish"/> after a trace that kept its rows; no Hessian is solved.</summary>
    /// <param name="kept">Of the input's rows, as <see cref="Trace"/> gives it.</param>
    /// <exception cref="InputException">The input does not fit the step.</exception>
    public static RowsResult Pick(SolverInput input, CompressStepSpec step, ReadOnlySpan<float> kept, ReadOnlySpan<int> counts)
    {
        using var ordered = OrderedInput.Of(input, step);
        return Measure(input, ordered.Restore(EliminationTrace.Pick(ordered.Input, Unit(step), kept, counts)));
    }

    /// <summary><see cref="RowsPhase.Solve"/>: weights from start to end, for nm, obq and rtn.</summary>
    /// <exception cref="InputException">The input does not fit the step.</exception>
    public static RowsResult Solve(SolverInput input, CompressStepSpec step, CancellationToken cancellationToken = default)
    {
        using var ordered = OrderedInput.Of(input, step);
        var rows = step.Method switch
        {
            NmMethod => NmSparsity.Solve(ordered.Input, Required(step.Keep), Required(step.Group), cancellationToken),
            ObqMethod => Obq.Solve(ordered.Input, Required(step.Bits), step.Grid ?? GridKind.Mse, step.Scheme ?? QuantizationScheme.Asymmetric, cancellationToken),
            RtnMethod => RoundToNearest.Solve(ordered.Input, Required(step.Bits), step.Grid ?? GridKind.Mse, step.Scheme ?? QuantizationScheme.Asymmetric, cancellationToken),
            _ => throw Misdirected(step, RowsPhase.Solve),
        };
        return Measure(input, ordered.Restore(rows));
    }

    /// <summary>A select unit: eliminations each row of the layer keeps.</summary>
    /// <param name="losses">Losses of all rows, in row order [rows × steps].</param>
    public static MaskChoice Select(SelectSpec spec, ReadOnlySpan<double> losses) =>
        GlobalMask.Select(losses, spec.Layer.Columns / spec.Unit, spec.Sparsity, spec.Select);

    /// <summary>Traces a whole layer, for exact-obs and block; sparsities of the step are not looked at.</summary>
    /// <param name="input">All rows of the layer, whose weights and Hessian stay in use.</param>
    /// <exception cref="InputException">Weights or Hessian are not usable, or the step does not fit the layer.</exception>
    public static LevelDatabase Levels(SolverInput input, CompressStepSpec step, CancellationToken cancellationToken = default)
    {
        using var inverted = InvertedInput.Of(input, step, cancellationToken);
        var trace = Trace(inverted.Input, step, cancellationToken);
        return new(input, step, Unit(step), trace, [.. inverted.Rescues, .. trace.Rescues]);
    }

    /// <summary>All phases of one step on a whole layer.</summary>
    /// <param name="input">All rows of the layer; its damping is the step's.</param>
    /// <exception cref="InputException">Weights or Hessian are not usable, or the step does not fit the layer.</exception>
    public static RowsResult Run(SolverInput input, CompressStepSpec step, CancellationToken cancellationToken = default)
    {
        if (step.Method is ExactObsMethod or BlockMethod)
        {
            var levels = Levels(input, step, cancellationToken);
            var candidate = levels.Candidate(Required(step.Sparsity), cancellationToken);
            return candidate with { Rescues = [.. levels.Rescues, .. candidate.Rescues] };
        }

        using var inverted = InvertedInput.Of(input, step, cancellationToken);
        var result = Solve(inverted.Input, step, cancellationToken);
        return result with { Rescues = [.. inverted.Rescues, .. result.Rescues] };
    }

    /// <summary>Columns that one elimination of the step removes.</summary>
    private static int Unit(CompressStepSpec step) => step.Method == BlockMethod ? Required(step.Size) : 1;

    private static RowsResult Measure(SolverInput input, SolvedRows rows)
    {
        var original = input.Original ?? input.Weights;
        var losses = LayerLoss.PerRow(rows.Weights, original, input.Hessian, input.Shape, input.FirstRow);
        var zeroLosses = LayerLoss.PerRow(null, original, input.Hessian, input.Shape, input.FirstRow);
        var zeros = 0L;
        for (var row = 0; row < rows.Weights.Rows; row++)
            zeros += rows.Weights.Row(row).Count(0f);
        return new()
        {
            Weights = rows.Weights,
            Quantized = rows.Quantized,
            RowLosses = losses,
            Loss = losses.Sum(),
            ZeroLoss = zeroLosses.Sum(),
            ZeroWeights = zeros,
            Rescues = rows.Rescues,
        };
    }

    private static T Required<T>(T? value)
        where T : struct => value ?? throw new ArgumentException("The step lacks a parameter of its method.", nameof(value));

    private static InvalidOperationException Misdirected(CompressStepSpec step, RowsPhase phase) =>
        new($"The method '{step.Method}' has no phase {phase}.");

    /// <summary>An input with the inverse that its rows share, where they do.</summary>
    private sealed record InvertedInput(SolverInput Input, InverseResult? Own) : IDisposable
    {
        public IReadOnlyList<Rescue> Rescues => Own?.Rescues ?? [];

        public static InvertedInput Of(SolverInput input, CompressStepSpec step, CancellationToken cancellationToken)
        {
            HessianPreparation.Check(input.Hessian);
            if (input.Inverse is not null || input.StartsPruned || step.Method == RtnMethod)
                return new(input, null);
            var own = HessianPreparation.Invert(input.Hessian, step.Damping, input.Width, cancellationToken);
            return new(input with { Inverse = own.Inverse }, own);
        }

        public void Dispose() => Own?.Inverse.Dispose();
    }
}
