using Orchestrator.Numerics;

namespace Orchestrator.Cli.Benching;

/// <summary>A random layer to measure on: correlated inputs, an inverse Hessian, rows of weights. The same for the same size.</summary>
internal sealed class BenchProblem : IDisposable
{
    private const int Seed = 20220824;

    /// <summary>Samples per column: enough that the Hessian is well conditioned.</summary>
    private const int Samples = 2;

    /// <summary>How much a column shares with its neighbour; real inputs are correlated.</summary>
    private const double Correlation = 0.5;

    private BenchProblem(Matrix<float> inverse, Matrix<float> weights) => (Inverse, Weights) = (inverse, weights);

    /// <summary>[columns × columns].</summary>
    public Matrix<float> Inverse { get; }

    /// <summary>[rows × columns].</summary>
    public Matrix<float> Weights { get; }

    public static BenchProblem Create(int rows, int columns, Action<string> finished)
    {
        var random = new Random(Seed);
        using var hessian = Hessian(columns, random);
        finished("hessian");
        if (!SymmetricInverse.TryInvert(hessian, out var pivot))
            throw new InvalidOperationException($"The random Hessian is not positive definite at column {pivot}.");
        finished("inverse");

        var problem = new BenchProblem(new Matrix<float>(columns, columns), new Matrix<float>(rows, columns));
        for (var i = 0; i < columns; i++)
        {
            for (var j = 0; j < columns; j++)
                problem.Inverse[i, j] = (float)hessian[i, j];
        }

        for (var row = 0; row < rows; row++)
        {
            foreach (ref var weight in problem.Weights.Row(row))
                weight = (float)Normal(random);
        }

        return problem;
    }

    public void Dispose()
    {
        Inverse.Dispose();
        Weights.Dispose();
    }

    private static Matrix<double> Hessian(int columns, Random random)
    {
        var samples = Samples * columns;
        using var inputs = new Matrix<double>(columns, samples);
        for (var j = 0; j < columns; j++)
        {
            for (var k = 0; k < samples; k++)
                inputs[j, k] = Normal(random) + (j > 0 ? Correlation * inputs[j - 1, k] : 0);
        }

        var hessian = new Matrix<double>(columns, columns);
        SymmetricRankK.Update(hessian, 0, 2.0 / samples, inputs);
        return hessian;
    }

    private static double Normal(Random random) =>
        Math.Sqrt(-2 * Math.Log(1 - random.NextDouble())) * Math.Cos(2 * Math.PI * random.NextDouble());
}
