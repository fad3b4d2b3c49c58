using Orchestrator.Compression.Masks;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Tests.Masks;

public sealed class ExactMaskTests
{
    /// <summary>Sums of the same doubles in two orders; losses are of order 1 and a few hundred.</summary>
    private const double SumTolerance = 1e-10;

    [Fact]
    public void It_is_the_best_of_all_choices_on_small_problems()
    {
        for (var seed = 0; seed < 300; seed++)
        {
            var random = new Random(seed);
            var (rows, steps) = (random.Next(1, 6), random.Next(1, 7));
            var losses = Losses(random, rows, steps, seed % 3 == 0);
            for (var total = 0; total <= rows * steps; total++)
            {
                var counts = Select(losses, steps, total, MaskSelection.Exact);
                Assert.Equal(total, counts.Sum());
                Assert.All(counts, count => Assert.InRange(count, 0, steps));
                Assert.Equal(Best(losses, steps, total), Cost(losses, steps, counts), SumTolerance);
            }
        }
    }

    [Theory]
    [InlineData(40, 60, 0.3)]
    [InlineData(40, 60, 0.9)]
    [InlineData(64, 72, 0.5)]
    [InlineData(7, 300, 0.77)]
    public void It_is_what_the_whole_dynamic_program_finds(int rows, int steps, double sparsity)
    {
        var losses = Losses(new Random(rows), rows, steps, coarse: false);
        var total = GlobalMask.Removals(losses.Length, sparsity);
        var exact = Cost(losses, steps, Select(losses, steps, total, MaskSelection.Exact));

        Assert.Equal(Best(losses, steps, total), exact, SumTolerance);
        Assert.True(exact < Cost(losses, steps, Select(losses, steps, total, MaskSelection.Heap)));
    }

    /// <summary>The example of algorithms.md 5.5: in both rows the second removal costs a third of the first.</summary>
    [Fact]
    public void It_pays_a_dear_step_for_the_cheap_one_behind_it()
    {
        double[] losses = [3, 1, 9, 3.5, 3.6, 9];
        Assert.Equal([2, 0], Select(losses, 3, 2, MaskSelection.Exact));
        Assert.Equal([1, 1], Select([3, 9, 9, 3.5, 0.1, 9], 3, 2, MaskSelection.Heap));
        Assert.Equal([0, 2], Select([3, 9, 9, 3.5, 0.1, 9], 3, 2, MaskSelection.Exact));
    }

    [Fact]
    public void Rows_that_are_pruned_already_give_their_zeros_first()
    {
        double[] losses = [0, 0, 4, 5, 0, 1, 2, 3];
        Assert.Equal([2, 1], Select(losses, 4, 3, MaskSelection.Exact));
        Assert.Equal([2, 3], Select(losses, 4, 5, MaskSelection.Exact));
    }

    [Fact]
    public void The_same_losses_give_the_same_counts_and_ties_the_rule_of_the_heap()
    {
        Assert.Equal([2, 1, 0], Select([1, 1, 1, 1, 1, 1], 2, 3, MaskSelection.Exact));
        var losses = Losses(new Random(5), 30, 40, coarse: true);
        Assert.Equal(Select(losses, 40, 555, MaskSelection.Exact), Select([.. losses], 40, 555, MaskSelection.Exact));
    }

    [Fact]
    public void Without_time_for_the_search_the_best_rule_is_taken_and_told()
    {
        var losses = Losses(new Random(1), 40, 60, coarse: false);
        const int total = 1_200;
        var heap = Select(losses, 60, total, MaskSelection.Heap);

        var (counts, slack) = ExactMask.Select(losses, 60, total, [heap], work: 10);

        Assert.True(Cost(losses, 60, counts) <= Cost(losses, 60, heap));
        Assert.True(slack > 0);
        Assert.True(Cost(losses, 60, counts) - slack <= Best(losses, 60, total) + SumTolerance);
    }

    private static int[] Select(double[] losses, int steps, int total, MaskSelection selection)
    {
        // Half a removal less, so that rounding the fraction up gives the total whatever its last bit.
        var choice = GlobalMask.Select(losses, steps, Math.Max(0, total - 0.5) / losses.Length, selection);
        Assert.Empty(choice.Rescues);
        return choice.Counts;
    }

    /// <summary>Sequences that rise as a whole and fall often, as ExactOBS gives them.</summary>
    private static double[] Losses(Random random, int rows, int steps, bool coarse)
    {
        var losses = new double[rows * steps];
        for (var i = 0; i < losses.Length; i++)
            losses[i] = coarse ? random.Next(9) / 8.0 : (0.2 + (i % steps / (double)steps)) * random.NextDouble();
        return losses;
    }

    private static double Cost(double[] losses, int steps, int[] counts) =>
        counts.Select((count, row) => losses.AsSpan(row * steps, count).ToArray().Sum()).Sum();

    /// <summary>The program of algorithms.md 5.5 over all counts and totals.</summary>
    private static double Best(double[] losses, int steps, int total)
    {
        double[] best = [0, .. Enumerable.Repeat(double.PositiveInfinity, total)];
        for (var row = 0; row < losses.Length / steps; row++)
        {
            double[] next = [.. best];
            for (var reached = 0; reached <= total; reached++)
            {
                var sum = 0.0;
                for (var k = 1; k <= Math.Min(steps, reached); k++)
                {
                    sum += losses[row * steps + k - 1];
                    next[reached] = Math.Min(next[reached], best[reached - k] + sum);
                }
            }

            best = next;
        }

        return best[total];
    }
}
