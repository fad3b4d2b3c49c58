using Orchestrator.Numerics;

namespace Orchestrator.Cli.Benching;

/// <summary>One thread's workspace: eliminates rows by the solver that is measured.</summary>
internal sealed class BenchRow(IRowElimination<float> elimination, string solver, int columns) : IDisposable
{
    private const int Group = 4;
    private const int Keep = 2;
    private const int BlockSize = 4;
    private const int Bits = 4;

    private readonly float[] _weights = new float[columns];
    private readonly int[] _order = new int[columns];
    private readonly double[] _losses = new double[columns];
    private readonly int[] _codes = new int[columns];

    public void Run(BenchProblem problem, int row)
    {
        problem.Weights.Row(row).CopyTo(_weights);
        var result = solver switch
        {
            "exact-obs" => elimination.Prune(problem.Inverse, [], _weights, _order, _losses),
            "nm" => elimination.PruneGroups(problem.Inverse, [], _weights, Keep, Group, _order, _losses),
            "block" => elimination.PruneBlocks(problem.Inverse, [], _weights, BlockSize, _order.AsSpan(0, columns / BlockSize), _losses),
            "obq" => elimination.Quantize(problem.Inverse, [], _weights, Grid(_weights), _codes, _order, _losses),
            _ => throw new ArgumentOutOfRangeException(nameof(problem), solver, "No such solver."),
        };
        if (!result.Completed)
            throw new InvalidOperationException($"Row {row} lost precision after {result.Steps} steps; the figures would mean nothing.");
    }

    public void Dispose() => elimination.Dispose();

    /// <summary>Min-max grid, asymmetric.</summary>
    private static RowGrid<float> Grid(ReadOnlySpan<float> weights)
    {
        var (low, high) = (0f, 0f);
        foreach (var weight in weights)
            (low, high) = (Math.Min(low, weight), Math.Max(high, weight));
        const int MaximumCode = (1 << Bits) - 1;
        var scale = high > low ? (high - low) / MaximumCode : 1;
        return new RowGrid<float>(scale, (int)MathF.Round(-low / scale), MaximumCode);
    }
}
