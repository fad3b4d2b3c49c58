using System.Numerics;
using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>
/// The elimination loop over a <see cref="PendingInverse{T, V, TSimd}"/>: weights and diagonal are kept by hand, and one
/// vectorised sweep after each step updates both and finds the next pivot.
/// </summary>
/// <remarks>
/// Columns have positions, which close up whenever eliminated columns are dropped, and places, which are the caller's. A
/// column that may not be chosen has a penalty of infinity, added to its score.
/// </remarks>
internal sealed unsafe partial class LazyElimination<T, V, TSimd> : IRowElimination<T>
    where T : unmanaged, IBinaryFloatingPointIeee754<T>
    where V : unmanaged
    where TSimd : struct, ISimd<T, V>
{
    /// <summary>A pivot below this share of its first value has lost all but about six bits to cancellation.</summary>
    private static readonly T s_leastShare = T.CreateTruncating(32) * (T.BitIncrement(T.One) - T.One);

    private readonly PendingInverse<T, V, TSimd> _inverse;
    private readonly Matrix<T> _vectors;
    private readonly T* _w;
    private readonly T* _d;
    private readonly T* _penalty;
    private readonly T* _zeros;
    private readonly T[] _firstDiagonal;
    private readonly int[] _places;
    private readonly int[] _room;
    private readonly bool[] _eliminated;

    public LazyElimination(int maximumColumns, int pending)
    {
        MaximumColumns = maximumColumns;
        _inverse = new PendingInverse<T, V, TSimd>(maximumColumns, pending);
        _vectors = new Matrix<T>(4, PendingInverse<T, V, TSimd>.Padded(maximumColumns) + TSimd.Count);
        _w = _vectors.Pointer;
        _d = _w + _vectors.Stride;
        _penalty = _d + _vectors.Stride;
        _zeros = _penalty + _vectors.Stride;
        _firstDiagonal = new T[maximumColumns];
        _places = new int[maximumColumns];
        _room = new int[maximumColumns];
        _eliminated = new bool[maximumColumns];
    }

    public int MaximumColumns { get; }

    public Matrix<T>? Kept { get; set; }

    public EliminationResult Prune(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, Span<int> order, Span<double> losses) =>
        PruneGroups(inverse, columns, weights, 0, Math.Max(weights.Length, 1), order, losses);

    public EliminationResult PruneGroups(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int keep, int group, Span<int> order, Span<double> losses)
    {
        EliminationArguments.CheckGroups(keep, group);
        Load(inverse, columns, weights, order, losses);
        EliminationArguments.FillRoom(_room, columns, weights.Length, keep, group);
        for (var j = 0; j < _inverse.Columns; j++)
        {
            if (_room[_places[j] / group] == 0)
                _penalty[j] = T.PositiveInfinity;
        }

        return Run(new PruningRule<T>(), group, weights, default, order, losses);
    }

    public EliminationResult Quantize(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, RowGrid<T> grid, Span<int> codes, Span<int> order, Span<double> losses)
    {
        EliminationArguments.CheckGrid<T>(grid, weights, codes);
        Load(inverse, columns, weights, order, losses);
        _room[0] = inverse.Rows;
        return Run(new QuantizingRule<T>(grid), Math.Max(weights.Length, 1), weights, codes, order, losses);
    }

    public void Dispose()
    {
        _inverse.Dispose();
        _vectors.Dispose();
        _bands?.Dispose();
    }

    private void Load(Matrix<T> inverse, ReadOnlySpan<int> columns, ReadOnlySpan<T> weights, Span<int> order, Span<double> losses)
    {
        EliminationArguments.Check(MaximumColumns, inverse, columns, weights, order, losses);
        _inverse.Load(inverse);
        for (var j = 0; j < inverse.Rows; j++)
        {
            var place = columns.IsEmpty ? j : columns[j];
            _places[j] = place;
            _w[j] = weights[place];
            _d[j] = _firstDiagonal[place] = inverse.Pointer[(nint)j * inverse.Stride + j];
            _penalty[j] = T.Zero;
            _eliminated[j] = false;
        }

        for (var j = inverse.Rows; j < _vectors.Stride; j++)
        {
            _w[j] = T.Zero;
            _d[j] = T.One;
            _penalty[j] = T.PositiveInfinity;
        }
    }

    private EliminationResult Run<TRule>(TRule rule, int group, Span<T> weights, Span<int> codes, Span<int> order, Span<double> losses)
        where TRule : struct, IPivotRule<T>
    {
        var p = order.IsEmpty ? -1 : Sweep(rule, _zeros, T.Zero);
        for (var step = 0; step < order.Length; step++)
        {
            if (p < 0)
                return AnyEligible() ? new(EliminationStatus.LostDefiniteness, step) : Finish(weights, step);
            var place = _places[p];
            var residual = rule.Residual<T, SimdScalar<T>>(_w[p]);
            var d = _d[p];
            if (!Trustworthy(d, place))
                return new(EliminationStatus.LostDefiniteness, step);
            order[step] = place;
            losses[step] = Loss(residual, d);
            weights[place] = rule.Fix(_w[p], out var code);
            if (TRule.WatchesOutliers)
                codes[place] = code;
            _eliminated[p] = true;
            _penalty[p] = T.PositiveInfinity;
            if (--_room[place / group] == 0)
                CloseGroup(p, group);

            var scale = T.One / T.Sqrt(d);
            p = Sweep(rule, _inverse.Push(p, scale), residual * scale);
            Keep(step, weights);
            if (_inverse.Count == _inverse.Capacity && step + 1 < order.Length && p >= 0)
                p = Apply(p);
        }

        return Finish(weights, order.Length);
    }

    private static double Loss(T residual, T d)
    {
        var r = double.CreateTruncating(residual);
        return r * r / (2 * double.CreateTruncating(d));
    }

    private bool Trustworthy(T d, int place) => d > s_leastShare * _firstDiagonal[place] && T.IsFinite(d);

    /// <summary>Makes the columns of p's group ineligible. They are neighbours of p at any time.</summary>
    private void CloseGroup(int p, int group)
    {
        var g = _places[p] / group;
        for (var j = p; j >= 0 && _places[j] / group == g; j--)
            _penalty[j] = T.PositiveInfinity;
        for (var j = p; j < _inverse.Columns && _places[j] / group == g; j++)
            _penalty[j] = T.PositiveInfinity;
    }

    private bool AnyEligible() => new ReadOnlySpan<T>(_penalty, _inverse.Columns).Contains(T.Zero);

    /// <summary>Applies what is pending and returns the new position of a column.</summary>
    private int Apply(int position)
    {
        var former = _inverse.Columns;
        _inverse.Apply(_eliminated.AsSpan(0, former));
        _inverse.Compact(_w, former, T.Zero);
        _inverse.Compact(_d, former, T.One);
        _inverse.Compact(_penalty, former, T.PositiveInfinity);
        _inverse.Compact(_places);
        _eliminated.AsSpan(0, former).Clear();
        return _inverse.NewPosition(position);
    }

    private void Keep(int step, ReadOnlySpan<T> weights)
    {
        if (Kept is null)
            return;
        var row = Kept.Row(step);
        weights.CopyTo(row);
        for (var j = 0; j < _inverse.Columns; j++)
        {
            if (!_eliminated[j])
                row[_places[j]] = _w[j];
        }
    }

    private EliminationResult Finish(Span<T> weights, int steps)
    {
        for (var j = 0; j < _inverse.Columns; j++)
        {
            if (!_eliminated[j])
                weights[_places[j]] = _w[j];
        }

        return new(EliminationStatus.Completed, steps);
    }

    /// <summary>
    /// w ← w − factor·u, d ← d − u², and the next pivot: the eligible position of the smallest r²/d, or of the largest r² when
    /// the outlier rule applies; the lowest position on ties.
    /// </summary>
    /// <returns>−1 when no column is eligible or a diagonal element of an eligible one is not positive.</returns>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int Sweep<TRule>(TRule rule, T* u, T factor)
        where TRule : struct, IPivotRule<T>
    {
        // Locals, because the JIT must assume that a store through one pointer changes a field.
        T* weights = _w, diagonal = _d, penalties = _penalty;
        var m = _inverse.Columns;
        var a = TSimd.Broadcast(factor);
        var index = TSimd.Iota;
        var next = TSimd.Broadcast(T.CreateTruncating(TSimd.Count));
        V best = TSimd.Broadcast(T.PositiveInfinity), bestAt = default;
        V worst = TSimd.Broadcast(T.NegativeInfinity), worstAt = default;
        V refused = default;
        for (var j = 0; j < m; j += TSimd.Count)
        {
            var x = TSimd.Load(u + j);
            var w = TSimd.MultiplySubtractFrom(a, x, TSimd.Load(weights + j));
            TSimd.Store(weights + j, w);
            var d = TSimd.MultiplySubtractFrom(x, x, TSimd.Load(diagonal + j));
            TSimd.Store(diagonal + j, d);
            var penalty = TSimd.Load(penalties + j);
            refused = TSimd.Or(refused, TSimd.NotPositive(TSimd.Add(d, penalty)));
            var r = rule.Residual<V, TSimd>(w);
            var square = TSimd.Multiply(r, r);
            var score = TSimd.Add(TSimd.Divide(square, d), penalty);
            var less = TSimd.LessThan(score, best);
            best = TSimd.Select(less, score, best);
            bestAt = TSimd.Select(less, index, bestAt);
            if (TRule.WatchesOutliers)
            {
                square = TSimd.Subtract(square, penalty);
                var more = TSimd.LessThan(worst, square);
                worst = TSimd.Select(more, square, worst);
                worstAt = TSimd.Select(more, index, worstAt);
            }

            index = TSimd.Add(index, next);
        }

        if (TSimd.Any(refused))
            return -1;
        var (p, _) = Smallest(best, bestAt);
        if (!TRule.WatchesOutliers || p < 0)
            return p;
        var (outlier, negated) = Smallest(TSimd.Subtract(default, worst), worstAt);
        return -negated > rule.OutlierThreshold && _w[p] != T.Zero ? outlier : p;
    }

    /// <summary>The smallest of the values and its index, the lowest index on ties; −1 when none is below infinity.</summary>
    private static (int Index, T Value) Smallest(V values, V indices)
    {
        var value = stackalloc T[TSimd.Count];
        var index = stackalloc T[TSimd.Count];
        TSimd.Store(value, values);
        TSimd.Store(index, indices);
        var best = 0;
        for (var lane = 1; lane < TSimd.Count; lane++)
        {
            if (value[lane] < value[best] || (value[lane] == value[best] && index[lane] < index[best]))
                best = lane;
        }

        return value[best] < T.PositiveInfinity ? (int.CreateTruncating(index[best]), value[best]) : (-1, value[best]);
    }
}
