using Orchestrator.Compression.Hessians;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// The first pass of a global mask (algorithms.md 5.5): every row is eliminated to the end, and the order and the loss of each step
/// are kept, and where the input asks for it the row after each step too. What a row has lost already comes first in its order, at no
/// loss (5.4).
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
        var kept = input.KeepsRows ? new float[checked(input.Rows * (steps + 1) * input.Columns)] : null;
        using var rowKept = kept is null ? null : new Matrix<float>(steps, input.Columns);
        using var engine = new RowEngine(input, rescues) { Kept = rowKept };
        for (var row = 0; row < input.Rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            systems.Load(row, before);
            var system = systems.For(row, before, cancellationToken);
            var rowOrder = order.AsSpan(row * steps, steps);
            var gone = WriteGone(system.Columns, unit, input.StartsPruned, rowOrder);
            engine.Eliminate(method, system, before, after, rowOrder[gone..], losses.AsSpan(row * steps + gone, steps - gone), cancellationToken);
            if (kept is not null)
                Keep(before, rowKept!, gone, kept.AsSpan(row * (steps + 1) * input.Columns, (steps + 1) * input.Columns));
            input.Progress?.Report(row + 1);
        }

        return new(order, losses, steps, rescues.ToList()) { Kept = kept };
    }

    /// <summary>The second pass where every row was kept: each row as it stood after its count of steps.</summary>
    /// <param name="kept">[rows × (steps + 1) × columns], the row at entry first.</param>
    public static SolvedRows Pick(SolverInput input, int unit, ReadOnlySpan<float> kept, ReadOnlySpan<int> counts)
    {
        var rows = input.Columns / unit + 1;
        if (kept.Length != (long)input.Rows * rows * input.Columns || counts.Length != input.Rows)
            throw new ArgumentException($"{input.Rows} rows after {rows - 1} steps expected; {kept.Length} weights are kept, counts {counts.Length}.", nameof(kept));
        var weights = new Matrix<float>(input.Rows, input.Columns);
        for (var row = 0; row < input.Rows; row++)
            kept.Slice((row * rows + counts[row]) * input.Columns, input.Columns).CopyTo(weights.Row(row));
        return new(weights, []);
    }

    private static void Keep(ReadOnlySpan<double> before, Matrix<float> steps, int gone, Span<float> kept)
    {
        for (var s = 0; s <= gone; s++)
        {
            for (var j = 0; j < before.Length; j++)
                kept[s * before.Length + j] = (float)before[j];
        }

        for (var s = 0; s < steps.Rows - gone; s++)
            steps.Row(s).CopyTo(kept[((gone + 1 + s) * before.Length)..]);
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
