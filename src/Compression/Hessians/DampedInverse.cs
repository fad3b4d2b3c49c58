using Orchestrator.Jobs;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>(H + λ·I)⁻¹ with the smallest damping that works (algorithms.md 5.3 step 4).</summary>
internal static class DampedInverse
{
    // An inverse whose diagonal exceeds 1/h_jj by this factor has no correct digits left in double.
    private const double WorstInflation = 1e13;

    private static readonly double[] s_ladder = [1e-6, 1e-5, 1e-4, 1e-3, 1e-2, 1e-1, 1, 1e1, 1e2, 1e3];

    /// <summary>Inverts with the damping asked for; where that fails, with ten times as much, from 1e-6 of the mean diagonal on.</summary>
    /// <param name="hessian">Undamped, dead columns decoupled. Both triangles.</param>
    /// <param name="meanDiagonal">Unit of the damping.</param>
    /// <param name="lambda">λ asked for.</param>
    /// <returns>The inverse, and the λ that was used.</returns>
    /// <exception cref="InputException">No damping helps: the matrix is far from positive semidefinite.</exception>
    public static (Matrix<double> Inverse, double Lambda) Of(Matrix<double> hessian, double meanDiagonal, double lambda, KernelWidth width, CancellationToken cancellationToken)
    {
        foreach (var attempt in Ladder(meanDiagonal, lambda))
        {
            cancellationToken.ThrowIfCancellationRequested();
            var inverse = Damped(hessian, attempt);
            if (SymmetricInverse.TryInvert(inverse, out _, width) && Inflation(hessian, attempt, inverse) < WorstInflation)
                return (inverse, attempt);
            inverse.Dispose();
        }

        throw NotSemidefinite();
    }

    /// <summary>λ itself, then the values to try after it.</summary>
    public static IEnumerable<double> Ladder(double meanDiagonal, double lambda)
    {
        yield return lambda;
        foreach (var fraction in s_ladder)
        {
            // Half as much again: a λ asked for that equals a rung up to rounding is not tried twice.
            if (fraction * meanDiagonal > 1.5 * lambda)
                yield return fraction * meanDiagonal;
        }
    }

    /// <summary>
    /// max_j of (H + λI)_jj · inverse_jj, at least 1: by how much the worst column's uncertainty exceeds that of a column without
    /// correlations. Independent of the columns' scales, and the factor by which rounding errors of the inverse grow.
    /// </summary>
    public static double Inflation(Matrix<double> hessian, double lambda, Matrix<double> inverse)
    {
        var worst = 1.0;
        for (var j = 0; j < hessian.Columns; j++)
            worst = Math.Max(worst, (hessian[j, j] + lambda) * inverse[j, j]);
        return worst;
    }

    public static InputException NotSemidefinite() => new(
        "hessian-not-semidefinite",
        "hessian",
        "The Hessian is not positive semidefinite: no damping up to 1000 times its mean diagonal makes it invertible.",
        "Check that it was built as (2/N)·X·Xᵀ.");

    private static Matrix<double> Damped(Matrix<double> hessian, double lambda)
    {
        var damped = hessian.Clone();
        for (var j = 0; j < damped.Columns; j++)
            damped[j, j] += lambda;
        return damped;
    }
}
