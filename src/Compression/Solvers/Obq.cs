using System.Numerics;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Hessians;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// OBQ (algorithms.md 5.7; "Optimal Brain Compression", algorithm 3). A row's grid is fixed on the row as it comes in. Each step
/// quantizes the weight with the smallest (w − q(w))²/[H⁻¹]_pp, a weight outside the grid first, and moves the others to make
/// up for it. On pruned rows the zeros are taken out of H before it is inverted, so they stay exact and take no compensation (5.8).
/// </summary>
internal static class Obq
{
    public static SolvedRows Solve(SolverInput input, int bits, GridKind kind, QuantizationScheme scheme, CancellationToken cancellationToken)
    {
        var result = new QuantizedBuilder(input.Rows, input.Columns);
        var rescues = new RescueLog();
        var before = new double[input.Columns];
        var after = new double[input.Columns];
        var order = new int[input.Columns];
        var losses = new double[input.Columns];
        using var systems = new RowSystems(input, 1, rescues);
        using var engine = new RowEngine(input, rescues);
        for (var row = 0; row < input.Rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            systems.Load(row, before);
            var grid = result.Fit(row, before, bits, kind, scheme);
            var method = new Quantize(grid, result.Codes(row));
            engine.Eliminate(method, systems.For(row, before, cancellationToken), before, after, order, losses, cancellationToken);
            input.Progress?.Report(row + 1);
        }

        return result.Build(rescues.ToList());
    }

    internal sealed class Quantize(RowGrid<float> grid, Memory<int> codes) : IRowMethod
    {
        public int DoubleColumns => SolverPrecision.ObqDoubleColumns;

        // The last steps carry most of the loss, and their weights all rounding errors before them; the codes are much steadier:
        // where the sums differ by a tenth, the results of float and double still have the same loss to five digits.
        public double SingleDrift => 0.1;

        public EliminationResult Run<T>(IRowElimination<T> elimination, Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses)
            where T : unmanaged, IBinaryFloatingPointIeee754<T> =>
            elimination.Quantize(inverse, columns, weights, new(T.CreateTruncating(grid.Scale), grid.Zero, grid.MaximumCode), codes.Span, order, losses);
    }
}
