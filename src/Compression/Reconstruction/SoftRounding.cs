using Orchestrator.Numerics;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>
/// A layer's weights between two levels each (algorithms.md 2.1): the lower one, how far up the rounding begins, and what a decided rounding
/// comes to. A pruned weight has the code of 0 from the beginning to the end.
/// </summary>
/// <remarks>The quotient is taken in float32, as graphs and round-to-nearest take it.</remarks>
internal sealed class SoftRounding
{
    /// <summary>How near to 0 or 1 a rounding counts as decided (algorithms.md 2.3).</summary>
    public const double DecidedWithin = 0.05;

    private readonly Matrix<float> _weights;
    private readonly RowGrid<float>[] _grids;
    private readonly bool _keepsZeros;

    /// <param name="weights">[rows × columns]; not owned.</param>
    /// <param name="grids">One a row.</param>
    /// <param name="keepsZeros">Whether zeros are a mask to keep.</param>
    public SoftRounding(Matrix<float> weights, RowGrid<float>[] grids, bool keepsZeros)
    {
        if (grids.Length != weights.Rows)
            throw new ArgumentException($"{weights.Rows} rows have {grids.Length} grids.", nameof(grids));
        (_weights, _grids, _keepsZeros) = (weights, grids, keepsZeros);
    }

    /// <summary>One a row.</summary>
    public IReadOnlyList<RowGrid<float>> Grids => _grids;

    private int Length => _weights.Rows * _weights.Columns;

    /// <summary>⌊w/s⌋ [rows × columns].</summary>
    public float[] Floors() => Each((weight, grid) => MathF.Floor(weight / grid.Scale));

    /// <summary>V where the tuning begins, h(V) = w/s − ⌊w/s⌋: the weights as they are [rows × columns].</summary>
    public float[] Start() => Each((weight, grid) =>
    {
        var quotient = weight / grid.Scale;
        return (float)RectifiedSigmoid.Inverse(quotient - MathF.Floor(quotient));
    });

    /// <summary>Whether a weight is tuned: 1, or 0 for a pruned one, whose gradient is to be multiplied with it [rows × columns].</summary>
    public float[] Trained() => Each((weight, _) => _keepsZeros && weight == 0 ? 0 : 1);

    /// <summary>Codes of the nearest levels.</summary>
    public int[] Nearest() => EachCode((weight, grid, _) => grid.Code(weight));

    /// <summary>Codes of decided roundings: up where V ≥ 0.</summary>
    /// <param name="v">[rows × columns].</param>
    public int[] Harden(ReadOnlySpan<float> v)
    {
        Check(v.Length);
        var values = v.ToArray();
        return EachCode((weight, grid, i) => (int)Math.Clamp(MathF.Floor(weight / grid.Scale) + (values[i] >= 0 ? 1 : 0) + grid.Zero, 0, grid.MaximumCode));
    }

    /// <summary>Weights of codes.</summary>
    public float[] Values(ReadOnlySpan<int> codes)
    {
        Check(codes.Length);
        var values = new float[Length];
        for (var i = 0; i < values.Length; i++)
            values[i] = _grids[i / _weights.Columns].Value(codes[i]);
        return values;
    }

    /// <summary>Share of the weights whose code is not the nearest.</summary>
    public double Flipped(ReadOnlySpan<int> codes)
    {
        Check(codes.Length);
        var nearest = Nearest();
        var flipped = 0L;
        for (var i = 0; i < nearest.Length; i++)
            flipped += nearest[i] == codes[i] ? 0 : 1;
        return flipped / (double)Math.Max(1, nearest.Length);
    }

    /// <summary>Share of the tuned roundings that are decided; 1 where none is tuned.</summary>
    public double Converged(ReadOnlySpan<float> v)
    {
        Check(v.Length);
        var trained = Trained();
        long decided = 0, all = 0;
        for (var i = 0; i < trained.Length; i++)
        {
            if (trained[i] == 0)
                continue;
            all++;
            decided += RectifiedSigmoid.Value(v[i]) is <= DecidedWithin or >= 1 - DecidedWithin ? 1 : 0;
        }

        return all == 0 ? 1 : decided / (double)all;
    }

    private float[] Each(Func<float, RowGrid<float>, float> of)
    {
        var result = new float[Length];
        for (int row = 0, i = 0; row < _weights.Rows; row++)
        {
            foreach (var weight in _weights.Row(row))
                result[i++] = of(weight, _grids[row]);
        }

        return result;
    }

    private int[] EachCode(Func<float, RowGrid<float>, int, int> of)
    {
        var codes = new int[Length];
        for (int row = 0, i = 0; row < _weights.Rows; row++)
        {
            foreach (var weight in _weights.Row(row))
            {
                codes[i] = _keepsZeros && weight == 0 ? _grids[row].Zero : of(weight, _grids[row], i);
                i++;
            }
        }

        return codes;
    }

    private void Check(int length)
    {
        if (length != Length)
            throw new ArgumentException($"{Length} weights have {length} values.");
    }
}
