using Orchestrator.Compression.Hessians;
using Orchestrator.Compression.Solvers;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Tests.Solvers;

/// <summary>A small layer with correlated inputs, and expected values by plain loops.</summary>
internal sealed class SmallLayer : IDisposable
{
    public SmallLayer(Matrix<float> weights, LayerHessian hessian, int kernelPositions = 1)
    {
        Weights = weights;
        Hessian = hessian;
        Shape = new(weights.Rows, weights.Columns, hessian.Groups, kernelPositions);
    }

    public Matrix<float> Weights { get; }
    public LayerHessian Hessian { get; }
    public LayerShape Shape { get; }

    public SolverInput Input => new(Weights, Hessian, Shape);

    /// <summary>Random weights and Hessian (2/samples)·X·Xᵀ of inputs that each resemble their neighbours.</summary>
    /// <param name="samples">Fewer than the columns make it singular.</param>
    public static SmallLayer Random(int seed, int rows, int columns, int? samples = null, int groups = 1, int kernelPositions = 1, int[]? dead = null)
    {
        var random = new Random(seed);
        var weights = new Matrix<float>(rows, columns);
        for (var i = 0; i < rows; i++)
        {
            for (var j = 0; j < columns; j++)
                weights[i, j] = (float)(random.NextDouble() * 2 - 1);
        }

        var hessians = Enumerable.Range(0, groups).Select(_ => RandomHessian(random, columns, samples ?? 3 * columns + 8, dead ?? []));
        return new(weights, new([.. hessians]), kernelPositions);
    }

    public static SmallLayer Of(float[] row, double[] hessian) =>
        new(Matrix<float>.FromRows(row, 1, row.Length), LayerHessian.FromValues(hessian, 1, row.Length));

    public SolverInput Range(int first, int count) => Input with { Weights = Cut(Weights, first, count), FirstRow = first };

    public static Matrix<float> Cut(Matrix<float> matrix, int first, int count)
    {
        var part = new Matrix<float>(count, matrix.Columns);
        for (var i = 0; i < count; i++)
            matrix.Row(first + i).CopyTo(part.Row(i));
        return part;
    }

    /// <summary>½·Σ rows Δw·H·Δwᵀ.</summary>
    public double Loss(Matrix<float> changed)
    {
        var sum = 0.0;
        for (var row = 0; row < Weights.Rows; row++)
        {
            var h = Hessian[row / (Shape.Rows / Shape.Groups)];
            for (var i = 0; i < h.Rows; i++)
            {
                for (var j = 0; j < h.Rows; j++)
                    sum += ((double)changed[row, i] - Weights[row, i]) * h[i, j] * ((double)changed[row, j] - Weights[row, j]) / 2;
            }
        }

        return sum;
    }

    public void Dispose()
    {
        Weights.Dispose();
        Hessian.Dispose();
    }

    private static Matrix<double> RandomHessian(Random random, int columns, int samples, int[] dead)
    {
        var x = new double[columns, samples];
        for (var i = 0; i < columns; i++)
        {
            for (var s = 0; s < samples; s++)
                x[i, s] = random.NextDouble() - 0.3 + (i > 0 ? 0.6 * x[i - 1, s] : 0);
        }

        var h = new Matrix<double>(columns, columns);
        for (var i = 0; i < columns; i++)
        {
            for (var j = 0; j <= i; j++)
            {
                var sum = 0.0;
                for (var s = 0; s < samples; s++)
                    sum += x[i, s] * x[j, s];
                h[i, j] = h[j, i] = dead.Contains(i) || dead.Contains(j) ? 0 : 2 * sum / samples;
            }
        }

        return h;
    }
}
