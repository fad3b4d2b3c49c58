using System.Numerics;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>
/// Elimination exactly as algorithms.md 5.4 writes it: after every step the whole inverse gets its rank-1 update. The oracle
/// of <see cref="ObsElimination{T}"/>, and the figure its speed is compared with.
/// </summary>
public sealed unsafe class EagerElimination<T> : IRowElimination<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
{
    private readonly KernelWidth _width;
    private readonly Matrix<T> _inverse;
    private readonly T[] _row;
    private readonly T[] _w;
    private readonly bool[] _fixed;
    private readonly int[] _room;
    private int _m;

    public EagerElimination(int maximumColumns, KernelWidth width = KernelWidth.Default)
    {
        _width = KernelWidths.Resolve(width);
        _inverse = new Matrix<T>(maximumColumns, maximumColumns);
        _row = new T[_inverse.Stride];
        _w = new T[_inverse.Stride];
        _fixed = new bool[maximumColumns];
        _room = new int[maximumColumns];
    }

    public int MaximumColumns => _inverse.Rows;

    public Matrix<T>? Kept { get; set; }

    public EliminationResult Prune(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses) =>
        PruneGroups(inverse, columns, weights, 0, Math.Max(weights.Length, 1), order, losses);

    public EliminationResult PruneGroups(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int keep, int group, Span<int> order, Span<double> losses)
    {
        EliminationArguments.CheckGroups(keep, group);
        Load(inverse, columns, weights, order, losses);
        EliminationArguments.FillRoom(_room, columns, weights.Length, keep, group);
        for (var step = 0; step < order.Length; step++)
        {
            var p = -1;
            for (var j = 0; j < _m; j++)
            {
                if (_fixed[j] || _room[Place(columns, j) / group] == 0)
                    continue;
                if (!Positive(j))
                    return new(EliminationStatus.LostDefiniteness, step);
                if (p < 0 || Score(_w[j], j) < Score(_w[p], p))
                    p = j;
            }

            if (p < 0)
                return Finish(columns, weights, step);
            _room[Place(columns, p) / group]--;
            order[step] = Place(columns, p);
            losses[step] = Eliminate(p, _w[p], T.Zero);
            Keep(step, columns, weights);
        }

        return Finish(columns, weights, order.Length);
    }

    public EliminationResult PruneBlocks(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int blockSize, Span<int> order, Span<double> losses)
    {
        EliminationArguments.CheckBlocks(inverse.Rows, columns, blockSize);
        Load(inverse, columns, weights, order, losses);
        for (var step = 0; step < order.Length; step++)
        {
            var best = (Start: -1, Score: T.Zero);
            for (var start = 0; start < _m; start += blockSize)
            {
                if (_fixed[start])
                    continue;
                if (BlockScore(start, blockSize) is not { } score)
                    return new(EliminationStatus.LostDefiniteness, step);
                if (best.Start < 0 || score < best.Score)
                    best = (start, score);
            }

            if (best.Start < 0)
                return Finish(columns, weights, step);
            order[step] = Place(columns, best.Start) / blockSize;
            losses[step] = 0;
            for (var j = best.Start; j < best.Start + blockSize; j++)
                losses[step] += Eliminate(j, _w[j], T.Zero);
            Keep(step, columns, weights);
        }

        return Finish(columns, weights, order.Length);
    }

    public EliminationResult Quantize(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, RowGrid<T> grid, Span<int> codes, Span<int> order, Span<double> losses)
    {
        EliminationArguments.CheckGrid<T>(grid, weights, codes);
        Load(inverse, columns, weights, order, losses);
        for (var step = 0; step < order.Length; step++)
        {
            var p = -1;
            var worst = -1;
            for (var j = 0; j < _m; j++)
            {
                if (_fixed[j])
                    continue;
                if (!Positive(j))
                    return new(EliminationStatus.LostDefiniteness, step);
                if (p < 0 || Score(Error(j), j) < Score(Error(p), p))
                    p = j;
                if (worst < 0 || Error(j) * Error(j) > Error(worst) * Error(worst))
                    worst = j;
            }

            if (p < 0)
                return Finish(columns, weights, step);
            if (_w[p] != T.Zero && Error(worst) * Error(worst) > EliminationArguments.OutlierThreshold(grid.Scale))
                p = worst;
            var code = grid.Code(_w[p]);
            codes[Place(columns, p)] = code;
            order[step] = Place(columns, p);
            losses[step] = Eliminate(p, Error(p), grid.Value(code));
            Keep(step, columns, weights);
        }

        return Finish(columns, weights, order.Length);

        T Error(int j) => _w[j] - grid.Value(grid.Code(_w[j]));
    }

    public void Dispose() => _inverse.Dispose();

    private static int Place(ReadOnlySpan<int> columns, int j) => columns.IsEmpty ? j : columns[j];

    private T Score(T residual, int j) => residual * residual / _inverse[j, j];

    private bool Positive(int j) => _inverse[j, j] > T.Zero && T.IsFinite(_inverse[j, j]);

    private void Load(Matrix<T> inverse, ReadOnlySpan<int> columns, ReadOnlySpan<T> weights, Span<int> order, Span<double> losses)
    {
        EliminationArguments.Check(MaximumColumns, inverse, columns, weights, order, losses);
        _m = inverse.Rows;
        for (var j = 0; j < _m; j++)
        {
            inverse.Row(j).CopyTo(_inverse.Row(j));
            _w[j] = weights[Place(columns, j)];
            _fixed[j] = false;
        }
    }

    private void Keep(int step, ReadOnlySpan<int> columns, ReadOnlySpan<T> weights)
    {
        if (Kept is null)
            return;
        var row = Kept.Row(step);
        weights.CopyTo(row);
        for (var j = 0; j < _m; j++)
            row[Place(columns, j)] = _w[j];
    }

    private EliminationResult Finish(ReadOnlySpan<int> columns, Span<T> weights, int steps)
    {
        for (var j = 0; j < _m; j++)
            weights[Place(columns, j)] = _w[j];
        return new(EliminationStatus.Completed, steps);
    }

    /// <summary>Fixes column p at a value and returns dL.</summary>
    private double Eliminate(int p, T residual, T value)
    {
        _inverse.Row(p).CopyTo(_row);
        var d = _row[p];
        fixed (T* row = _row, w = _w)
            KernelWidths.Run<T, int, RankOneUpdate>(_width, new(_inverse, row, w, _m, d, residual / d));
        for (var i = 0; i < _m; i++)
            _inverse[i, p] = _inverse[p, i] = T.Zero;
        _fixed[p] = true;
        _w[p] = value;
        for (var j = 0; j < _m; j++)
        {
            // A fixed column's row is zero, so its weight has not moved; the diagonal keeps later blocks' factors valid.
            if (_fixed[j])
                _inverse[j, j] = T.One;
        }

        var e = double.CreateTruncating(residual);
        return e * e / (2 * double.CreateTruncating(d));
    }

    /// <summary>w_B · D⁻¹ · w_B by the LDLᵀ factors of the diagonal block D; null when D is not positive definite.</summary>
    private T? BlockScore(int start, int c)
    {
        Span<T> lower = stackalloc T[c * c];
        Span<T> d = stackalloc T[c];
        Span<T> y = stackalloc T[c];
        var score = T.Zero;
        for (var i = 0; i < c; i++)
        {
            y[i] = _w[start + i];
            d[i] = _inverse[start + i, start + i];
            for (var k = 0; k < i; k++)
            {
                var sum = _inverse[start + i, start + k];
                for (var q = 0; q < k; q++)
                    sum -= lower[i * c + q] * d[q] * lower[k * c + q];
                lower[i * c + k] = sum / d[k];
                d[i] -= lower[i * c + k] * lower[i * c + k] * d[k];
                y[i] -= lower[i * c + k] * y[k];
            }

            if (!(d[i] > T.Zero) || !T.IsFinite(d[i]))
                return null;
            score += y[i] * y[i] / d[i];
        }

        return score;
    }

    /// <summary>inverse −= row·rowᵀ / d and w −= row·factor over the first m columns; rows with a zero in column p are skipped.</summary>
    private readonly struct RankOneUpdate(Matrix<T> inverse, T* row, T* w, int m, T d, T factor) : IWidthGeneric<T, int>
    {
        public int Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<T, V>
        {
            Axpy<T, V, TSimd>.Subtract(w, row, factor, m);
            for (var i = 0; i < m; i++)
            {
                if (row[i] != T.Zero)
                    Axpy<T, V, TSimd>.Subtract(inverse.Pointer + (nint)i * inverse.Stride, row, row[i] / d, m);
            }

            return m;
        }
    }
}
