using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>What OBC does to a Hessian before it is used: checks, dead columns, damping, inversion (algorithms.md 5.3).</summary>
public static class HessianPreparation
{
    // Sums of float32 products in different orders differ by far less; a wrong file by far more.
    private const double SymmetryTolerance = 1e-3;

    /// <summary>Inverts each group's damped Hessian.</summary>
    /// <param name="damping">Fraction of the mean diagonal to add to the diagonal.</param>
    /// <returns>The inverse and what had to be done to get it; the rescues name no layer.</returns>
    /// <exception cref="InputException">The Hessian is not finite, not symmetric or not positive semidefinite.</exception>
    public static InverseResult Invert(LayerHessian hessian, double damping, KernelWidth width = KernelWidth.Default, CancellationToken cancellationToken = default)
    {
        Check(hessian);
        var inverses = new Matrix<double>[hessian.Groups];
        var lambdas = new double[hessian.Groups];
        var rescues = new RescueLog();
        for (var group = 0; group < hessian.Groups; group++)
        {
            var h = hessian[group];
            var dead = DeadColumns(h);
            var mean = MeanDiagonal(h);
            using var decoupled = Decouple(h, dead);
            (inverses[group], lambdas[group]) = DampedInverse.Of(decoupled, mean, damping * mean, width, cancellationToken);
            rescues.DeadColumns(dead.Count(isDead => isDead));
            rescues.Damping(damping, mean, lambdas[group]);
        }

        return new(new(inverses, lambdas), rescues.ToList());
    }

    /// <summary>Refuses what is no Hessian.</summary>
    /// <exception cref="InputException"/>
    public static void Check(LayerHessian hessian)
    {
        for (var group = 0; group < hessian.Groups; group++)
        {
            var h = hessian[group];
            var largest = 0.0;
            for (var i = 0; i < h.Rows; i++)
            {
                foreach (var value in h.Row(i))
                {
                    if (!double.IsFinite(value))
                        throw Refused("hessian-not-finite", $"The Hessian has the value {value} in row {i}.");
                }

                if (h[i, i] < 0)
                    throw Refused("hessian-not-semidefinite", $"Diagonal element {i} of the Hessian is negative ({h[i, i]:g6}).");
                largest = Math.Max(largest, h[i, i]);
            }

            CheckSymmetry(h, largest);
        }
    }

    /// <summary>Columns whose input is zero in every sample: nothing depends on their weights. To be found before damping hides them.</summary>
    internal static bool[] DeadColumns(Matrix<double> hessian)
    {
        var dead = new bool[hessian.Columns];
        for (var j = 0; j < dead.Length; j++)
            dead[j] = hessian[j, j] == 0;
        return dead;
    }

    internal static double MeanDiagonal(Matrix<double> hessian)
    {
        var sum = 0.0;
        for (var j = 0; j < hessian.Columns; j++)
            sum += hessian[j, j];
        return sum / Math.Max(hessian.Columns, 1);
    }

    /// <summary>The same matrix with the marked columns cut off from the others and 1 on their diagonal.</summary>
    internal static Matrix<double> Decouple(Matrix<double> hessian, bool[] marked)
    {
        var decoupled = hessian.Clone();
        for (var i = 0; i < marked.Length; i++)
        {
            if (!marked[i])
                continue;
            decoupled.Row(i).Clear();
            for (var j = 0; j < marked.Length; j++)
                decoupled[j, i] = 0;
            decoupled[i, i] = 1;
        }

        return decoupled;
    }

    private static void CheckSymmetry(Matrix<double> h, double largest)
    {
        for (var i = 0; i < h.Rows; i++)
        {
            for (var j = 0; j < i; j++)
            {
                if (Math.Abs(h[i, j] - h[j, i]) > SymmetryTolerance * largest)
                    throw Refused("hessian-not-symmetric", $"Elements ({i}, {j}) and ({j}, {i}) of the Hessian differ: {h[i, j]:g6} and {h[j, i]:g6}.");
            }
        }
    }

    private static InputException Refused(string code, string message) =>
        new(code, "hessian", message, "Give the averaged matrix (2/N)·X·Xᵀ of the layer's inputs.");
}

/// <param name="Rescues">Dead columns and raised damping; their layer is null.</param>
public sealed record InverseResult(LayerInverse Inverse, IReadOnlyList<Rescue> Rescues);
