using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// The levels of one layer, for exact-obs and block: one trace eliminates every row to the end, and each sparsity then is a cut through
/// it (algorithms.md 5.5). Candidates are solved when asked for, so that memory holds one of them and not all.
/// </summary>
public sealed class LevelDatabase
{
    private readonly SolverInput _input;
    private readonly CompressStepSpec _step;
    private readonly int _unit;
    private readonly TraceResult _trace;

    /// <param name="unit">Columns that one elimination removes.</param>
    internal LevelDatabase(SolverInput input, CompressStepSpec step, int unit, TraceResult trace, IReadOnlyList<Rescue> rescues)
    {
        _input = input;
        _step = step;
        _unit = unit;
        _trace = trace;
        Rescues = rescues;
    }

    /// <summary>What the trace, and the inverse before it, had to do differently; the layer is null.</summary>
    public IReadOnlyList<Rescue> Rescues { get; }

    /// <summary>The layer at one level, equal to a run of the step at that sparsity. Masks of heap and sort are nested: what a level removes, every sparser one does.</summary>
    /// <param name="sparsity">Fraction of the layer's weights to remove, 0 to 1.</param>
    /// <returns>Weights and losses; the rescues are this level's alone.</returns>
    public RowsResult Candidate(double sparsity, CancellationToken cancellationToken = default)
    {
        var mask = LayerSolver.Select(new(_input.Shape, _unit, sparsity, _step.Select ?? MaskSelection.Heap), _trace.Losses);
        var result = LayerSolver.Finish(_input, _step, _trace.Order, mask.Counts, cancellationToken);
        return result with { Rescues = [.. mask.Rescues, .. result.Rescues] };
    }
}
