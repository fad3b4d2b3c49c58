using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>What a method makes of some rows.</summary>
/// <param name="Weights">float32 [rows × columns]; pruned weights are exact zeros.</param>
internal sealed record SolvedRows(Matrix<float> Weights, IReadOnlyList<Rescue> Rescues)
{
    public QuantizedRows? Quantized { get; init; }
}

/// <summary>Quantized rows as codes: value = scale · (code − zero).</summary>
/// <param name="Codes">[rows × columns].</param>
/// <param name="Scales">[rows].</param>
/// <param name="Zeros">[rows], the code of 0.</param>
public sealed record QuantizedRows(int[] Codes, float[] Scales, int[] Zeros);

/// <summary>Full elimination of some rows.</summary>
/// <param name="Order">Column, or block of consecutive columns, removed at each step [rows × steps].</param>
/// <param name="Losses">Growth of ½·Δw·H·Δwᵀ (damped H) at each step [rows × steps].</param>
/// <param name="Steps">Eliminations a row: columns, or blocks.</param>
public sealed record TraceResult(int[] Order, double[] Losses, int Steps, IReadOnlyList<Rescue> Rescues)
{
    /// <summary>Each row at entry and after every step [rows × (steps + 1) × columns], in the order of columns that the step works in; null where not asked for.</summary>
    public float[]? Kept { get; init; }
}
