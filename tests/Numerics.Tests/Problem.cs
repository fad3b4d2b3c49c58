using System.Collections.Concurrent;

namespace Orchestrator.Numerics.Tests;

/// <summary>Small exact helpers for expected values: plain loops, no kernel of ours.</summary>
internal static class Problem
{
    private static readonly ConcurrentDictionary<int, Lazy<Matrix<double>>> s_inverses = new();

    /// <summary>A random problem of n columns; the same object for the same n, to be read only.</summary>
    public static Matrix<double> SharedInverse(int n) => s_inverses.GetOrAdd(n, static n => new(() => Invert(Hessian(new Random(n), n), n))).Value;

    /// <summary>The inverse of a symmetric positive definite matrix by Gauss-Jordan elimination.</summary>
    public static Matrix<double> Invert(double[] h, int n)
    {
        var left = (double[])h.Clone();
        var inverse = new Matrix<double>(n, n);
        for (var i = 0; i < n; i++)
            inverse[i, i] = 1;
        for (var p = 0; p < n; p++)
        {
            var d = left[p * n + p];
            for (var j = 0; j < n; j++)
            {
                left[p * n + j] /= d;
                inverse[p, j] /= d;
            }

            for (var i = 0; i < n; i++)
            {
                var factor = left[i * n + p];
                if (i == p || factor == 0)
                    continue;
                for (var j = 0; j < n; j++)
                {
                    left[i * n + j] -= factor * left[p * n + j];
                    inverse[i, j] -= factor * inverse[p, j];
                }
            }
        }

        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < i; j++)
                inverse[i, j] = inverse[j, i] = (inverse[i, j] + inverse[j, i]) / 2;
        }

        return inverse;
    }

    /// <summary>2·X·Xᵀ / samples of random, correlated inputs plus a little on the diagonal: positive definite.</summary>
    public static double[] Hessian(Random random, int n, double damping = 1e-2)
    {
        var samples = n + 8;
        var x = new double[n * samples];
        for (var i = 0; i < n; i++)
        {
            for (var s = 0; s < samples; s++)
                x[i * samples + s] = random.NextDouble() - 0.3 + (i > 0 ? 0.5 * x[(i - 1) * samples + s] : 0);
        }

        var h = new double[n * n];
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = 0.0;
                for (var s = 0; s < samples; s++)
                    sum += x[i * samples + s] * x[j * samples + s];
                h[i * n + j] = h[j * n + i] = 2 * sum / samples + (i == j ? damping : 0);
            }
        }

        return h;
    }

    public static double[] Row(Random random, int n) => [.. Enumerable.Range(0, n).Select(_ => random.NextDouble() * 2 - 1)];

    /// <summary>½ · (w − w0) · H · (w − w0)ᵀ.</summary>
    public static double Loss(double[] h, double[] before, double[] after)
    {
        var n = before.Length;
        var sum = 0.0;
        for (var i = 0; i < n; i++)
        {
            for (var j = 0; j < n; j++)
                sum += (after[i] - before[i]) * h[i * n + j] * (after[j] - before[j]);
        }

        return sum / 2;
    }
}
