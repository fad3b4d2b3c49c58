using Orchestrator.Compression.Hessians;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// The first pass of a global mask (algorithms.md 5.5): every row is eliminated to the end, and only the order and the loss of
/// each step are kept. What a row has lost already comes first in its order, at no loss (5.4).
/// </summary>
internal static class EliminationTrace
{
    /// <param name="unit">Columns removed by one step: 1, or the block size.</param>
    public static TraceResult Run(SolverInput input, int unit, IRowMethod method, CancellationToken cancellationToken)
    {
        var steps = input.Columns / unit;
        var order = new int[checked(input.Rows * steps)];
        var losses = new double[order.Length];
        var rescues = new RescueLog();
        var before = new double[input.Columns];
        var after = new double[input.Columns];
        using var systems = new RowSystems(input, unit, rescues);
        using var engine = new RowEngine(input, rescues);
        for (var row = 0; row < input.Rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            systems.Load(row, before);
            var system = systems.For(row, before, cancellationToken);
            var rowOrder = order.AsSpan(row * steps, steps);
            var gone = WriteGone(system.Columns, unit, input.StartsPruned, rowOrder);
            engine.Eliminate(method, system, before, after, rowOrder[gone..], losses.AsSpan(row * steps + gone, steps - gone), cancellationToken);
            input.Progress?.Report(row + 1);
        }

        return new(order, losses, steps, rescues.ToList());
    }

    /// <summary>Starts an order with the units that no active column belongs to, ascending; returns how many they are.</summary>
    private static int WriteGone(int[] active, int unit, bool startsPruned, Span<int> order)
    {
        if (!startsPruned)
            return 0;
        var gone = 0;
        var next = 0;
        for (var u = 0; u < order.Length; u++)
        {
            if (next < active.Length && active[next] / unit == u)
                next += unit;
            else
                order[gone++] = u;
        }

        return gone;
    }
}
