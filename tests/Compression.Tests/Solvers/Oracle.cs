using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>Expected results from first principles: least squares by Gaussian elimination, no inverse, no update.</summary>
internal static class Oracle
{
    /// <summary>The best row with zeros at the removed places, and its loss ½·Δw·H·Δwᵀ.</summary>
    public static (double[] Weights, double Loss) Refit(Matrix<double> h, ReadOnlySpan<float> w0, bool[] removed)
    {
        var kept = Enumerable.Range(0, removed.Length).Where(j => !removed[j]).ToArray();
        var a = new double[kept.Length, kept.Length + 1];
        for (var i = 0; i < kept.Length; i++)
        {
            for (var j = 0; j < kept.Length; j++)
                a[i, j] = h[kept[i], kept[j]];
            for (var j = 0; j < removed.Length; j++)
                a[i, kept.Length] += h[kept[i], j] * w0[j];
        }

        var solution = Eliminate(a);
        var weights = new double[removed.Length];
        for (var i = 0; i < kept.Length; i++)
            weights[kept[i]] = solution[i];
        return (weights, Loss(h, w0, weights));
    }

    /// <summary>Greedy removal that refits for every candidate at every step.</summary>
    public static (int[] Order, double[] Losses) Greedy(Matrix<double> h, ReadOnlySpan<float> w0)
    {
        var removed = new bool[w0.Length];
        var order = new int[w0.Length];
        var losses = new double[w0.Length];
        var total = 0.0;
        for (var step = 0; step < order.Length; step++)
        {
            var best = (Column: -1, Loss: double.PositiveInfinity);
            for (var j = 0; j < removed.Length; j++)
            {
                if (removed[j])
                    continue;
                removed[j] = true;
                var loss = Refit(h, w0, removed).Loss;
                removed[j] = false;
                if (loss < best.Loss)
                    best = (j, loss);
            }

            order[step] = best.Column;
            losses[step] = best.Loss - total;
            total = best.Loss;
            removed[best.Column] = true;
        }

        return (order, losses);
    }

    public static double Loss(Matrix<double> h, ReadOnlySpan<float> before, ReadOnlySpan<double> after)
    {
        var sum = 0.0;
        for (var i = 0; i < before.Length; i++)
        {
            for (var j = 0; j < before.Length; j++)
                sum += (after[i] - before[i]) * h[i, j] * (after[j] - before[j]) / 2;
        }

        return sum;
    }

    /// <summary>The inverse, column by column.</summary>
    public static double[,] Invert(Matrix<double> h)
    {
        var n = h.Rows;
        var inverse = new double[n, n];
        for (var column = 0; column < n; column++)
        {
            var a = new double[n, n + 1];
            for (var i = 0; i < n; i++)
            {
                for (var j = 0; j < n; j++)
                    a[i, j] = h[i, j];
                a[i, n] = i == column ? 1 : 0;
            }

            var x = Eliminate(a);
            for (var i = 0; i < n; i++)
                inverse[i, column] = x[i];
        }

        return inverse;
    }

    private static double[] Eliminate(double[,] a)
    {
        var n = a.GetLength(0);
        for (var p = 0; p < n; p++)
        {
            for (var i = 0; i < n; i++)
            {
                if (i == p)
                    continue;
                var factor = a[i, p] / a[p, p];
                for (var j = p; j <= n; j++)
                    a[i, j] -= factor * a[p, j];
            }
        }

        return [.. Enumerable.Range(0, n).Select(i => a[i, n] / a[i, i])];
    }
}
