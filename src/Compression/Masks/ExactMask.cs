namespace Orchestrator.Compression.Masks;

/// <summary>
/// The mask of a layer that costs least (algorithms.md 5.5): min over the k_i of Σ L_i(k_i) with Σ k_i = K, where L_i is the sum of a
/// row's first k losses. Lagrange relaxation leaves few k_i of a row possible, and a dynamic program over the rows chooses among these.
/// </summary>
/// <remarks>
/// With λ the slope at which the rows' lower convex hulls reach K, g_i(k) = L_i(k) − λk − min(L_i − λ·) is not negative, and every
/// choice costs the lower bound Σ min + λK plus Σ g_i(k_i). So a choice that costs no more than the bound plus t uses only k with
/// g_i(k) ≤ t, and the program drops every partial sum above t. t grows until a choice is found, at most to what the best of heap, sort
/// and hull needs. Ties go to the smaller count of the earlier row.
/// </remarks>
internal sealed class ExactMask
{
    /// <summary>Sums formed before the search is given up: some seconds. Real layers need a thousandth.</summary>
    public const long DefaultWork = 4_000_000_000;

    /// <summary>Bytes of the choices that lead back from the end.</summary>
    private const long ChoiceBytes = 256L << 20;

    private static readonly double[] s_deepening = [1.0 / 1024, 1.0 / 256, 1.0 / 64, 1.0 / 16, 1.0 / 4, 1];

    private readonly double[][] _cumulative;
    private readonly int[] _base;
    private readonly double _slope;
    private readonly int _rest;

    private ExactMask(double[][] cumulative, int total)
    {
        _cumulative = cumulative;
        (_base, _slope, _rest) = LossHull.Fill(cumulative, total);
    }

    /// <summary>The counts, and by how much a better choice could at most be cheaper; 0 where none can.</summary>
    /// <param name="starts">Counts that other rules chose; the result costs no more than any of them.</param>
    /// <param name="work">Sums that may be formed.</param>
    public static (int[] Counts, double Slack) Select(ReadOnlySpan<double> losses, int steps, int total, IEnumerable<int[]> starts, long work = DefaultWork)
    {
        var mask = new ExactMask(Accumulate(losses, steps), total);
        var best = starts.Append(mask.Completed()).MinBy(mask.Cost)!;
        var excess = mask.Excess(best);
        if (!(excess > 0) || !double.IsFinite(excess))
            return (best, excess > 0 ? excess : 0);
        foreach (var share in s_deepening)
        {
            var found = mask.Search(excess * share, ref work);
            if (found is not null)
                return (mask.Cost(found) < mask.Cost(best) ? found : best, 0);
            if (work < 0)
                return (best, excess);
        }

        return (best, 0);
    }

    private static double[][] Accumulate(ReadOnlySpan<double> losses, int steps)
    {
        var rows = new double[losses.Length / steps][];
        for (var row = 0; row < rows.Length; row++)
        {
            rows[row] = new double[steps + 1];
            for (var k = 0; k < steps; k++)
                rows[row][k + 1] = rows[row][k] + losses[row * steps + k];
        }

        return rows;
    }

    private double Cost(int[] counts)
    {
        var sum = 0.0;
        for (var row = 0; row < counts.Length; row++)
            sum += _cumulative[row][counts[row]];
        return sum;
    }

    /// <summary>g_i(k).</summary>
    private double Gap(int row, int k)
    {
        var sums = _cumulative[row];
        return Math.Max(0, sums[k] - sums[_base[row]] - _slope * (k - _base[row]));
    }

    private double Excess(int[] counts)
    {
        var sum = 0.0;
        for (var row = 0; row < counts.Length; row++)
            sum += Gap(row, counts[row]);
        return sum;
    }

    /// <summary>The hull's counts with the rest taken step by step from the row whose next loss is smallest.</summary>
    private int[] Completed()
    {
        int[] counts = [.. _base];
        var next = new PriorityQueue<int, (double Loss, int Row)>();
        void Offer(int row)
        {
            var sums = _cumulative[row];
            if (counts[row] < sums.Length - 1)
                next.Enqueue(row, (sums[counts[row] + 1] - sums[counts[row]], row));
        }

        for (var row = 0; row < counts.Length; row++)
            Offer(row);
        for (var k = 0; k < _rest; k++)
        {
            var row = next.Dequeue();
            counts[row]++;
            Offer(row);
        }

        return counts;
    }

    /// <summary>The best counts among those with Σ g ≤ <paramref name="limit"/>; null where there are none or the work is used up.</summary>
    private int[]? Search(double limit, ref long work)
    {
        // What is rounded off on the way must not shut out the choice that the limit was taken from.
        limit *= 1 + 1e-9;
        var candidates = new (int Move, double Gap)[_base.Length][];
        for (var row = 0; row < candidates.Length; row++)
            candidates[row] = Candidates(row, limit);
        var (least, most) = Reach(candidates);
        var window = new Window(0, [0]);
        var choices = new (int Low, ushort[] Choice)[candidates.Length];
        var bytes = 0L;
        for (var row = 0; row < candidates.Length; row++)
        {
            work -= (long)window.Costs.Length * candidates[row].Length;
            bytes += (window.Costs.Length + candidates[row][^1].Move - candidates[row][0].Move) * sizeof(ushort);
            if (bytes > ChoiceBytes || candidates[row].Length > ushort.MaxValue)
                work = -1;
            if (work < 0)
                return null;
            (window, var choice) = window.Advance(candidates[row], limit, _rest - most[row + 1], _rest - least[row + 1]);
            choices[row] = (window.Low, choice);
            if (window.Costs.Length == 0)
                return null;
        }

        return Trace(candidates, choices);
    }

    private (int Move, double Gap)[] Candidates(int row, double limit)
    {
        var found = new List<(int, double)>();
        for (var k = 0; k < _cumulative[row].Length; k++)
        {
            if (Gap(row, k) is var gap && gap <= limit)
                found.Add((k - _base[row], gap));
        }

        return [.. found];
    }

    /// <summary>The smallest and the largest sum of moves of the rows from each one on.</summary>
    private static (int[] Least, int[] Most) Reach((int Move, double Gap)[][] candidates)
    {
        var least = new int[candidates.Length + 1];
        var most = new int[candidates.Length + 1];
        for (var row = candidates.Length - 1; row >= 0; row--)
        {
            least[row] = least[row + 1] + candidates[row][0].Move;
            most[row] = most[row + 1] + candidates[row][^1].Move;
        }

        return (least, most);
    }

    private int[] Trace((int Move, double Gap)[][] candidates, (int Low, ushort[] Choice)[] choices)
    {
        int[] counts = [.. _base];
        var at = _rest;
        for (var row = counts.Length - 1; row >= 0; row--)
        {
            var move = candidates[row][choices[row].Choice[at - choices[row].Low]].Move;
            counts[row] += move;
            at -= move;
        }

        return counts;
    }

    /// <summary>The least Σ g of the rows so far for every sum of their moves from <paramref name="Low"/> on.</summary>
    private sealed record Window(int Low, double[] Costs)
    {
        public (Window Next, ushort[] Choice) Advance((int Move, double Gap)[] candidates, double limit, int from, int to)
        {
            var low = Low + candidates[0].Move;
            var costs = new double[Costs.Length + candidates[^1].Move - candidates[0].Move];
            Array.Fill(costs, double.PositiveInfinity);
            var choice = new ushort[costs.Length];
            for (var c = 0; c < candidates.Length; c++)
            {
                var gap = candidates[c].Gap;
                var target = candidates[c].Move - candidates[0].Move;
                for (var i = 0; i < Costs.Length; i++)
                {
                    var cost = Costs[i] + gap;
                    if (cost >= costs[target + i])
                        continue;
                    costs[target + i] = cost;
                    choice[target + i] = (ushort)c;
                }
            }

            var (first, last) = (Math.Max(0, from - low), Math.Min(costs.Length - 1, to - low));
            while (first <= last && costs[first] > limit)
                first++;
            while (last >= first && costs[last] > limit)
                last--;
            var kept = first > last ? .. 0 : first..(last + 1);
            return (new Window(low + first, costs[kept]), choice[kept]);
        }
    }
}
