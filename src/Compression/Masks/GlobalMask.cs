using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Compression.Masks;

/// <summary>
/// The global mask of a layer (algorithms.md 5.5): how many eliminations each row keeps, so that the layer as a whole loses
/// K = ceil(sparsity · rows · steps) of them. The first k of a row's own order are its share.
/// </summary>
public static class GlobalMask
{
    /// <summary>The counts [rows], Σ = K.</summary>
    /// <param name="losses">Loss of each elimination [rows × steps], in each row's order.</param>
    /// <param name="steps">Eliminations in a row: its columns, or its blocks.</param>
    /// <param name="sparsity">Fraction to remove, 0 to 1.</param>
    /// <exception cref="ArgumentException">Losses are not whole rows, or not numbers.</exception>
    public static MaskChoice Select(ReadOnlySpan<double> losses, int steps, double sparsity, MaskSelection selection)
    {
        if (steps < 1 || losses.Length % steps != 0)
            throw new ArgumentException($"{losses.Length} losses are not whole rows of {steps} steps.", nameof(losses));
        foreach (var loss in losses)
        {
            if (double.IsNaN(loss))
                throw new ArgumentException("A loss is not a number.", nameof(losses));
        }

        var total = Removals(losses.Length, sparsity);
        return selection switch
        {
            MaskSelection.Heap => new(Heap(losses, steps, total), []),
            MaskSelection.Sort => new(Sort(losses, steps, total), []),
            _ => Exact(losses, steps, total),
        };
    }

    /// <summary>ceil(sparsity · eliminations), with the sparsity taken as the decimal number that was written: 0.07 of 100 is 7.</summary>
    internal static int Removals(int eliminations, double sparsity)
    {
        if (!(sparsity >= 0 && sparsity <= 1))
            throw new ArgumentOutOfRangeException(nameof(sparsity), sparsity, "A sparsity lies between 0 and 1.");
        return (int)decimal.Ceiling((decimal)sparsity * eliminations);
    }

    private static MaskChoice Exact(ReadOnlySpan<double> losses, int steps, int total)
    {
        var (counts, slack) = ExactMask.Select(losses, steps, total, [Heap(losses, steps, total), Sort(losses, steps, total)]);
        return new(counts, slack == 0 ? [] : [new(null, "mask-not-exact", $"The search for the best mask was given up; the best of heap, sort and hull is taken, whose loss is at most {slack:g3} above the best.")]);
    }

    /// <summary>The paper's rule: K times, the row whose next loss is smallest. The lower row wins ties.</summary>
    private static int[] Heap(ReadOnlySpan<double> losses, int steps, int total)
    {
        var counts = new int[losses.Length / steps];
        var next = new PriorityQueue<int, (double Loss, int Row)>(counts.Length);
        for (var row = 0; row < counts.Length; row++)
            next.Enqueue(row, (losses[row * steps], row));
        for (var k = 0; k < total; k++)
        {
            var row = next.Dequeue();
            counts[row]++;
            if (counts[row] < steps)
                next.Enqueue(row, (losses[row * steps + counts[row]], row));
        }

        return counts;
    }

    /// <summary>The reference code's rule: the K smallest losses of all. Equal ones are taken from lower rows, then lower steps.</summary>
    private static int[] Sort(ReadOnlySpan<double> losses, int steps, int total)
    {
        var counts = new int[losses.Length / steps];
        if (total == 0)
            return counts;
        var sorted = losses.ToArray();
        Array.Sort(sorted);
        var threshold = sorted[total - 1];
        var ties = total;
        for (var i = 0; i < losses.Length; i++)
        {
            if (losses[i] < threshold)
            {
                counts[i / steps]++;
                ties--;
            }
        }

        for (var i = 0; i < losses.Length && ties > 0; i++)
        {
            if (losses[i] == threshold)
            {
                counts[i / steps]++;
                ties--;
            }
        }

        return counts;
    }
}

/// <summary>How many eliminations each row keeps.</summary>
/// <param name="Counts">[rows].</param>
/// <param name="Rescues">Where the rule asked for was not carried through; their layer is null.</param>
public sealed record MaskChoice(int[] Counts, IReadOnlyList<Rescue> Rescues);
