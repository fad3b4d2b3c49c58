using System.Runtime.Intrinsics;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>½·ΔW·H·ΔWᵀ in double, row by row: with the averaged Hessian, a row's squared output error per sample (algorithms.md 5.12).</summary>
internal static class LayerLoss
{
    /// <summary>Rows that share one pass over the Hessian; a row's own sum does not depend on its neighbours.</summary>
    private const int RowsPerPass = 8;

    /// <summary>The loss of each row.</summary>
    /// <param name="changed">[rows × columns]; null for all-zero weights.</param>
    /// <param name="firstRow">Place of row 0 in the layer.</param>
    public static double[] PerRow(Matrix<float>? changed, Matrix<float> original, LayerHessian hessian, LayerShape shape, int firstRow)
    {
        var losses = new double[original.Rows];
        using var deltas = new Matrix<double>(RowsPerPass, original.Columns);
        for (var row = 0; row < original.Rows;)
        {
            var group = LayerHessian.GroupOf(shape, firstRow + row);
            var count = 0;
            while (count < RowsPerPass && row + count < original.Rows && LayerHessian.GroupOf(shape, firstRow + row + count) == group)
            {
                Subtract(changed is null ? [] : changed.Row(row + count), original.Row(row + count), deltas.Row(count));
                count++;
            }

            AddRows(hessian[group], deltas, losses.AsSpan(row, count));
            row += count;
        }

        return losses;
    }

    /// <summary>½·δ·(H + λ·I)·δᵀ.</summary>
    public static double Row(Matrix<double> hessian, ReadOnlySpan<double> delta, double lambda)
    {
        double sum = 0, squares = 0;
        for (var i = 0; i < delta.Length; i++)
        {
            if (delta[i] == 0)
                continue;
            sum += Term(hessian.Row(i), delta, i);
            squares += delta[i] * delta[i];
        }

        return sum + 0.5 * lambda * squares;
    }

    private static void AddRows(Matrix<double> hessian, Matrix<double> deltas, Span<double> losses)
    {
        losses.Clear();
        for (var i = 0; i < hessian.Rows; i++)
        {
            var h = hessian.Row(i);
            for (var row = 0; row < losses.Length; row++)
            {
                var delta = deltas.Row(row);
                if (delta[i] != 0)
                    losses[row] += Term(h, delta, i);
            }
        }
    }

    /// <summary>Row i of the lower triangle's share of the form: δ_i · (Σ_{j&lt;i} h_j·δ_j + ½·h_i·δ_i).</summary>
    private static double Term(ReadOnlySpan<double> h, ReadOnlySpan<double> delta, int i) =>
        delta[i] * (Dot(h[..i], delta[..i]) + 0.5 * h[i] * delta[i]);

    private static double Dot(ReadOnlySpan<double> x, ReadOnlySpan<double> y)
    {
        var even = Vector256<double>.Zero;
        var odd = Vector256<double>.Zero;
        var lanes = Vector256<double>.Count;
        var j = 0;
        for (; j <= x.Length - 2 * lanes; j += 2 * lanes)
        {
            even += Vector256.Create(x[j..]) * Vector256.Create(y[j..]);
            odd += Vector256.Create(x[(j + lanes)..]) * Vector256.Create(y[(j + lanes)..]);
        }

        var sum = Vector256.Sum(even + odd);
        for (; j < x.Length; j++)
            sum += x[j] * y[j];
        return sum;
    }

    private static void Subtract(ReadOnlySpan<float> changed, ReadOnlySpan<float> original, Span<double> delta)
    {
        for (var j = 0; j < delta.Length; j++)
            delta[j] = (changed.IsEmpty ? 0.0 : changed[j]) - original[j];
    }
}
