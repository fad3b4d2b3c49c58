using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <content>
/// Elimination of whole blocks of c columns, algorithms.md 5.6. Eliminating a block is eliminating its columns one after the
/// other; only the choice needs the c × c diagonal blocks. They are kept as bands: element j of band o is element (j + o, j)
/// of the inverse, so one sweep treats every position as the start of a block and the penalty rules out those that are not.
/// </content>
internal sealed unsafe partial class LazyElimination<T, V, TSimd>
{
    private Matrix<T>? _bands;

    public EliminationResult PruneBlocks(Matrix<T> inverse, ReadOnlySpan<int> columns, Span<T> weights, int blockSize, Span<int> order, Span<double> losses)
    {
        EliminationArguments.CheckBlocks(inverse.Rows, columns, blockSize);
        Load(inverse, columns, weights, order, losses);
        LoadBands(inverse, blockSize);
        for (var step = 0; step < order.Length; step++)
        {
            if (_inverse.Count + blockSize > _inverse.Capacity)
                ApplyBands(blockSize);
            var p = SearchBlocks(blockSize);
            if (p < 0)
                return AnyEligible() ? new(EliminationStatus.LostDefiniteness, step) : Finish(weights, step);
            order[step] = _places[p] / blockSize;
            losses[step] = 0;
            _penalty[p] = T.PositiveInfinity;
            for (var j = 0; j < blockSize; j++)
            {
                var place = _places[p];
                if (!Trustworthy(_d[p], place))
                    return new(EliminationStatus.LostDefiniteness, step);
                losses[step] += Loss(_w[p], _d[p]);
                weights[place] = T.Zero;
                var scale = T.One / T.Sqrt(_d[p]);
                var factor = _w[p] * scale;
                Downdate(_inverse.Push(p, scale), factor, blockSize);
                _eliminated[p] = true;
                p++;
            }

            Keep(step, weights);
        }

        return Finish(weights, order.Length);
    }

    private void LoadBands(Matrix<T> inverse, int blockSize)
    {
        if (_inverse.Capacity < blockSize)
            throw new ArgumentOutOfRangeException(nameof(blockSize), blockSize, $"A workspace that keeps {_inverse.Capacity} updates pending cannot take larger blocks.");
        if (_bands is null || _bands.Rows < blockSize || _bands.Columns < _vectors.Stride + blockSize)
        {
            _bands?.Dispose();
            _bands = new Matrix<T>(blockSize, _vectors.Stride + blockSize);
        }

        var m = _inverse.Columns;
        for (var band = 1; band < blockSize; band++)
        {
            var elements = _bands.Row(band);
            for (var j = 0; j + band < m; j++)
                elements[j] = inverse.Pointer[(nint)(j + band) * inverse.Stride + j];
            elements[Math.Max(m - band, 0)..].Clear();
        }

        for (var j = 0; j < m; j++)
        {
            if (j % blockSize != 0)
                _penalty[j] = T.PositiveInfinity;
        }
    }

    private void ApplyBands(int blockSize)
    {
        var former = _inverse.Columns;
        Apply(0);
        for (var band = 1; band < blockSize; band++)
            _inverse.Compact(_bands!.Pointer + (nint)band * _bands.Stride, former, T.Zero);
    }

    /// <summary>w ← w − factor·u, and the bands minus their part of u·uᵀ.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private void Downdate(T* u, T factor, int blockSize)
    {
        // Locals, because the JIT must assume that a store through one pointer changes a field.
        T* weights = _w, diagonal = _d;
        var m = _inverse.Columns;
        var a = TSimd.Broadcast(factor);
        for (var j = 0; j < m; j += TSimd.Count)
        {
            var x = TSimd.Load(u + j);
            TSimd.Store(weights + j, TSimd.MultiplySubtractFrom(a, x, TSimd.Load(weights + j)));
            TSimd.Store(diagonal + j, TSimd.MultiplySubtractFrom(x, x, TSimd.Load(diagonal + j)));
        }

        for (var band = 1; band < blockSize; band++)
        {
            var elements = _bands!.Pointer + (nint)band * _bands.Stride;
            var shifted = u + band;
            for (var j = 0; j < m; j += TSimd.Count)
                TSimd.Store(elements + j, TSimd.MultiplySubtractFrom(TSimd.Load(shifted + j), TSimd.Load(u + j), TSimd.Load(elements + j)));
        }
    }

    /// <summary>The start of the eligible block with the smallest w_B·D⁻¹·w_B, the lowest on ties; −1 as <see cref="Sweep"/>.</summary>
    [MethodImpl(MethodImplOptions.AggressiveOptimization)]
    private int SearchBlocks(int c)
    {
        T* weights = _w, diagonal = _d, penalties = _penalty, bands = _bands!.Pointer;
        var (m, bandStep) = (_inverse.Columns, (nint)_bands.Stride);
        var lower = stackalloc V[c * c];
        var d = stackalloc V[c];
        var y = stackalloc V[c];
        var infinity = TSimd.Broadcast(T.PositiveInfinity);
        var one = TSimd.Broadcast(T.One);
        var index = TSimd.Iota;
        var next = TSimd.Broadcast(T.CreateTruncating(TSimd.Count));
        V best = infinity, bestAt = default, refused = default;
        for (var j = 0; j < m; j += TSimd.Count)
        {
            var penalty = TSimd.Load(penalties + j);
            var eligible = TSimd.LessThan(penalty, infinity);
            V score = default;
            for (var i = 0; i < c; i++)
            {
                y[i] = TSimd.Load(weights + j + i);
                d[i] = TSimd.Load(diagonal + j + i);
                for (var k = 0; k < i; k++)
                {
                    var sum = TSimd.Load(bands + (i - k) * bandStep + j + k);
                    for (var q = 0; q < k; q++)
                        sum = TSimd.MultiplySubtractFrom(TSimd.Multiply(lower[i * c + q], d[q]), lower[k * c + q], sum);
                    var l = TSimd.Divide(sum, d[k]);
                    lower[i * c + k] = l;
                    d[i] = TSimd.MultiplySubtractFrom(TSimd.Multiply(l, l), d[k], d[i]);
                    y[i] = TSimd.MultiplySubtractFrom(l, y[k], y[i]);
                }

                refused = TSimd.Or(refused, TSimd.NotPositive(TSimd.Select(eligible, d[i], one)));
                score = TSimd.Add(score, TSimd.Divide(TSimd.Multiply(y[i], y[i]), d[i]));
            }

            score = TSimd.Add(score, penalty);
            var less = TSimd.LessThan(score, best);
            best = TSimd.Select(less, score, best);
            bestAt = TSimd.Select(less, index, bestAt);
            index = TSimd.Add(index, next);
        }

        return TSimd.Any(refused) ? -1 : Smallest(best, bestAt).Index;
    }
}
