using Orchestrator.Compression.Hessians;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>The rows that a solver works on, with everything their result depends on.</summary>
/// <param name="Weights">[rows × columns], some consecutive rows of the layer as they come into the step. Only read.</param>
/// <param name="Hessian">The layer's averaged, undamped Hessian.</param>
/// <param name="Shape">The whole layer.</param>
public sealed record SolverInput(Matrix<float> Weights, LayerHessian Hessian, LayerShape Shape)
{
    /// <summary>Place in the layer of row 0 of <see cref="Weights"/>.</summary>
    public int FirstRow { get; init; }

    /// <summary>The damped inverse; computed where needed when null. Not used for rows that start pruned.</summary>
    public LayerInverse? Inverse { get; init; }

    /// <summary>What the loss is measured against [rows × columns]; null means <see cref="Weights"/>.</summary>
    public Matrix<float>? Original { get; init; }

    /// <summary>Relative damping: fraction of the Hessian's mean diagonal.</summary>
    public double Damping { get; init; }

    /// <summary>Zeros among the weights are a mask to keep: they stay zero, and compensation goes to the others only.</summary>
    public bool StartsPruned { get; init; }

    /// <summary>A trace keeps the row after every step (algorithms.md 5.5, less compute): rows · (steps + 1) · columns · 4 bytes.</summary>
    public bool KeepsRows { get; init; }

    public KernelWidth Width { get; init; } = KernelWidth.Default;

    /// <summary>Told the number of rows done.</summary>
    public IProgress<int>? Progress { get; init; }

    public int Rows => Weights.Rows;

    public int Columns => Weights.Columns;
}
