using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>Compressed rows, columns in the layer's own order, with the figures that a unit reports.</summary>
public sealed record RowsResult : IDisposable
{
    /// <summary>float32 [rows × columns]; pruned weights are exact zeros.</summary>
    public required Matrix<float> Weights { get; init; }

    /// <summary>Codes and grids where the step quantizes; otherwise null.</summary>
    public QuantizedRows? Quantized { get; init; }

    /// <summary>½·Δw·H·Δwᵀ of each row, in double on the undamped Hessian, against the original weights [rows].</summary>
    public required double[] RowLosses { get; init; }

    /// <summary>Σ <see cref="RowLosses"/>.</summary>
    public required double Loss { get; init; }

    /// <summary>The loss of all-zero weights.</summary>
    public required double ZeroLoss { get; init; }

    /// <summary>Zeros among <see cref="Weights"/>.</summary>
    public required long ZeroWeights { get; init; }

    /// <summary>What had to be done differently; the layer is null.</summary>
    public required IReadOnlyList<Rescue> Rescues { get; init; }

    public double Sparsity => ZeroWeights / (double)Math.Max(1, (long)Weights.Rows * Weights.Columns);

    public void Dispose() => Weights.Dispose();
}
