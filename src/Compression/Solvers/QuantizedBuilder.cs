using Orchestrator.Compression.Grids;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>Codes and grids of rows as they are quantized. A code that is never written stands for the value 0.</summary>
internal sealed class QuantizedBuilder(int rows, int columns)
{
    private readonly int[] _codes = new int[checked(rows * columns)];
    private readonly RowGrid<float>[] _grids = new RowGrid<float>[rows];

    /// <summary>Fixes the grid of a row and sets its codes to zero's.</summary>
    public RowGrid<float> Fit(int row, ReadOnlySpan<double> weights, int bits, GridKind kind, QuantizationScheme scheme)
    {
        var single = new float[columns];
        for (var j = 0; j < columns; j++)
            single[j] = (float)weights[j];
        return Fit(row, single, bits, kind, scheme);
    }

    /// <inheritdoc cref="Fit(int, ReadOnlySpan{double}, int, GridKind, QuantizationScheme)"/>
    public RowGrid<float> Fit(int row, ReadOnlySpan<float> weights, int bits, GridKind kind, QuantizationScheme scheme)
    {
        var grid = GridFit.Row(weights, bits, kind, scheme);
        _grids[row] = grid;
        Codes(row).Span.Fill(grid.Zero);
        return grid;
    }

    public Memory<int> Codes(int row) => _codes.AsMemory(row * columns, columns);

    public SolvedRows Build(IReadOnlyList<Rescue> rescues)
    {
        var weights = new Matrix<float>(rows, columns);
        for (var row = 0; row < rows; row++)
        {
            var codes = Codes(row).Span;
            for (var j = 0; j < columns; j++)
                weights[row, j] = _grids[row].Value(codes[j]);
        }

        return new(weights, rescues)
        {
            Quantized = new(_codes, [.. _grids.Select(grid => grid.Scale)], [.. _grids.Select(grid => grid.Zero)]),
        };
    }
}
