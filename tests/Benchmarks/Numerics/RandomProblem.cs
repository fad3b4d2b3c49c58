using Orchestrator.Numerics;

namespace Orchestrator.Benchmarks.Numerics;

/// <summary>A positive definite matrix like a layer's Hessian, and a row of weights.</summary>
internal static class RandomProblem
{
    private const double Damping = 0.01;

    public static Matrix<double> Hessian(int columns, int seed)
    {
        var random = new Random(seed);
        using var inputs = new Matrix<double>(columns, columns + 64);
        for (var i = 0; i < columns; i++)
        {
            // Neighbouring inputs of a network are correlated.
            for (var sample = 0; sample < inputs.Columns; sample++)
                inputs[i, sample] = random.NextDouble() - 0.4 + (i > 0 ? 0.3 * inputs[i - 1, sample] : 0);
        }

        var hessian = new Matrix<double>(columns, columns);
        SymmetricRankK.Update(hessian, 0.0, 2.0 / inputs.Columns, inputs);
        for (var i = 0; i < columns; i++)
            hessian[i, i] += Damping;
        return hessian;
    }

    public static Matrix<double> Inverse(int columns, int seed)
    {
        var inverse = Hessian(columns, seed);
        return SymmetricInverse.TryInvert(inverse, out _) ? inverse : throw new InvalidOperationException("The damped matrix is positive definite.");
    }

    public static float[] Row(int columns, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, columns).Select(_ => (float)(random.NextDouble() * 2 - 1))];
    }
}
