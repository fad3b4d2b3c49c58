using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Solvers;

/// <summary>Every weight to the nearest level of its row's grid (algorithms.md 0.2), halves to the even code: what the others are measured against.</summary>
internal static class RoundToNearest
{
    public static SolvedRows Solve(SolverInput input, int bits, GridKind kind, QuantizationScheme scheme, CancellationToken cancellationToken)
    {
        var result = new QuantizedBuilder(input.Rows, input.Columns);
        for (var row = 0; row < input.Rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            var weights = input.Weights.Row(row);
            var grid = result.Fit(row, weights, bits, kind, scheme);
            var codes = result.Codes(row).Span;
            for (var j = 0; j < codes.Length; j++)
                codes[j] = grid.Code(weights[j]);
            input.Progress?.Report(row + 1);
        }

        return result.Build([]);
    }
}
