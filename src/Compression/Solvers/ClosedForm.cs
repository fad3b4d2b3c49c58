using Orchestrator.Compression.Hessians;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Solvers;

/// <summary>
/// The second pass of a global mask: a row's weights for a given mask are the least-squares optimum on the kept columns M,
/// w_M = w0_M + H_MM⁻¹·H_MP·w0_P with P the columns removed (algorithms.md 5.5). They depend on the mask alone, not on the order
/// in which it was found; solved by Cholesky in double on the damped H.
/// </summary>
internal static class ClosedForm
{
    // A pivot this small against its column's diagonal is a rounding error: the columns before it span the column.
    private const double SmallestPivot = 1e-13;

    /// <param name="order">Elimination order in units of <paramref name="unit"/> columns [rows × steps].</param>
    /// <param name="counts">Eliminations that each of the input's rows keeps [rows].</param>
    public static SolvedRows Finish(SolverInput input, int unit, ReadOnlySpan<int> order, ReadOnlySpan<int> counts, CancellationToken cancellationToken)
    {
        var steps = input.Columns / unit;
        if (order.Length != (long)input.Rows * steps || counts.Length != input.Rows)
            throw new ArgumentException($"{input.Rows} rows of {steps} steps expected; order has {order.Length} entries, counts {counts.Length}.", nameof(order));
        var weights = new Matrix<float>(input.Rows, input.Columns);
        var rescues = new RescueLog();
        var w = new double[input.Columns];
        var removed = new bool[input.Columns];
        using var systems = new RowSystems(input, unit, rescues);
        for (var row = 0; row < input.Rows; row++)
        {
            cancellationToken.ThrowIfCancellationRequested();
            systems.Load(row, w);
            MarkRemoved(input, order.Slice(row * steps, counts[row]), unit, w, removed);
            var group = LayerHessian.GroupOf(input.Shape, input.FirstRow + row);
            Solve(input, input.Hessian[group], systems.Dead(group), w, removed, rescues, cancellationToken);
            for (var j = 0; j < w.Length; j++)
                weights[row, j] = (float)w[j];
            input.Progress?.Report(row + 1);
        }

        return new(weights, rescues.ToList());
    }

    private static void MarkRemoved(SolverInput input, ReadOnlySpan<int> units, int unit, ReadOnlySpan<double> w, bool[] removed)
    {
        for (var j = 0; j < removed.Length; j++)
            removed[j] = input.StartsPruned && w[j] == 0;
        foreach (var u in units)
            removed.AsSpan(u * unit, unit).Fill(true);
    }

    private static void Solve(SolverInput input, Matrix<double> h, bool[] dead, Span<double> w, bool[] removed, RescueLog rescues, CancellationToken cancellationToken)
    {
        var kept = new List<int>(w.Length);
        for (var j = 0; j < w.Length; j++)
        {
            if (!removed[j] && !dead[j])
                kept.Add(j);
        }

        var compensation = Project(h, kept, w, removed);
        if (compensation is null)
            return;
        var mean = HessianPreparation.MeanDiagonal(h);
        foreach (var lambda in DampedInverse.Ladder(mean, input.Damping * mean))
        {
            cancellationToken.ThrowIfCancellationRequested();
            using var factor = Gather(h, kept, lambda);
            if (!Cholesky.TryFactor(factor, out _, input.Width) || !WellPosed(factor, h, kept, lambda))
                continue;
            Cholesky.Solve(factor, compensation, input.Width);
            for (var i = 0; i < kept.Count; i++)
                w[kept[i]] += compensation[i];
            rescues.Damping(input.Damping, mean, lambda);
            return;
        }

        throw DampedInverse.NotSemidefinite();
    }

    /// <summary>H_MP·w_P, with the removed weights cleared on the way; null where nothing that is removed had a value.</summary>
    private static double[]? Project(Matrix<double> h, List<int> kept, Span<double> w, bool[] removed)
    {
        double[]? projection = null;
        for (var p = 0; p < w.Length; p++)
        {
            if (!removed[p] || w[p] == 0)
                continue;
            projection ??= new double[kept.Count];
            var row = h.Row(p);
            for (var i = 0; i < projection.Length; i++)
                projection[i] += row[kept[i]] * w[p];
            w[p] = 0;
        }

        return projection;
    }

    /// <summary>The lower triangle of H_MM + λI.</summary>
    private static Matrix<double> Gather(Matrix<double> h, List<int> kept, double lambda)
    {
        var gathered = new Matrix<double>(kept.Count, kept.Count);
        for (var i = 0; i < kept.Count; i++)
        {
            var from = h.Row(kept[i]);
            var to = gathered.Row(i);
            for (var j = 0; j <= i; j++)
                to[j] = from[kept[j]];
            to[i] += lambda;
        }

        return gathered;
    }

    private static bool WellPosed(Matrix<double> factor, Matrix<double> h, List<int> kept, double lambda)
    {
        for (var i = 0; i < kept.Count; i++)
        {
            if (factor[i, i] * factor[i, i] < SmallestPivot * (h[kept[i], kept[i]] + lambda))
                return false;
        }

        return true;
    }
}
