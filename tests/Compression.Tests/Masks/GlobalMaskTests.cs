using Orchestrator.Compression.Masks;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Compression.Tests.Masks;

public sealed class GlobalMaskTests
{
    [Theory]
    [InlineData(100, 0.07, 7)]
    [InlineData(10, 0.7, 7)]
    [InlineData(10, 0.71, 8)]
    [InlineData(10, 0, 0)]
    [InlineData(10, 1, 10)]
    [InlineData(3, 0.3333333333333333, 1)]
    public void The_number_of_removals_is_the_ceiling_of_the_written_sparsity(int eliminations, double sparsity, int expected) =>
        Assert.Equal(expected, GlobalMask.Removals(eliminations, sparsity));

    [Fact]
    public void The_heap_takes_the_smallest_next_loss_step_by_step()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var (losses, rows, steps) = Losses(seed);
            for (var total = 0; total <= losses.Length; total += 3)
            {
                var counts = GlobalMask.Select(losses, steps, total / (double)losses.Length, MaskSelection.Heap).Counts;
                Assert.Equal(Greedy(losses, rows, steps, counts.Sum()), counts);
            }
        }
    }

    [Fact]
    public void Sorting_counts_the_smallest_losses_in_each_row()
    {
        for (var seed = 0; seed < 100; seed++)
        {
            var (losses, rows, steps) = Losses(seed);
            var total = GlobalMask.Removals(losses.Length, 0.5);
            var expected = new int[rows];
            foreach (var i in Enumerable.Range(0, losses.Length).OrderBy(i => losses[i]).ThenBy(i => i).Take(total))
                expected[i / steps]++;
            Assert.Equal(expected, GlobalMask.Select(losses, steps, 0.5, MaskSelection.Sort).Counts);
        }
    }

    [Theory]
    [InlineData(MaskSelection.Heap)]
    [InlineData(MaskSelection.Sort)]
    public void Counts_add_up_and_a_higher_sparsity_contains_a_lower_one(MaskSelection selection)
    {
        var (losses, rows, steps) = Losses(7);
        var previous = new int[rows];
        for (var percent = 0; percent <= 100; percent++)
        {
            var counts = GlobalMask.Select(losses, steps, percent / 100.0, selection).Counts;
            Assert.Equal(GlobalMask.Removals(losses.Length, percent / 100.0), counts.Sum());
            Assert.All(counts.Zip(previous), pair => Assert.True(pair.First >= pair.Second));
            Assert.All(counts, count => Assert.InRange(count, 0, steps));
            previous = counts;
        }
    }

    [Fact]
    public void Where_losses_grow_within_rows_both_rules_agree()
    {
        var (losses, rows, steps) = Losses(3);
        for (var row = 0; row < rows; row++)
            Array.Sort(losses, row * steps, steps);
        for (var percent = 0; percent <= 100; percent += 5)
            Assert.Equal(GlobalMask.Select(losses, steps, percent / 100.0, MaskSelection.Sort).Counts, GlobalMask.Select(losses, steps, percent / 100.0, MaskSelection.Heap).Counts);
    }

    [Fact]
    public void The_two_rules_differ_where_a_dear_step_hides_a_cheap_one()
    {
        double[] losses = [1, 5, 2, 3, 4, 6];
        Assert.Equal([1, 1], GlobalMask.Select(losses, 3, 2 / 6.0, MaskSelection.Heap).Counts);
        Assert.Equal([2, 0], GlobalMask.Select(losses, 3, 2 / 6.0, MaskSelection.Sort).Counts);
    }

    [Theory]
    [InlineData(MaskSelection.Heap)]
    [InlineData(MaskSelection.Sort)]
    public void Equal_losses_are_taken_from_the_lowest_rows(MaskSelection selection)
    {
        double[] losses = [1, 1, 1, 1, 1, 1];
        Assert.Equal([2, 1, 0], GlobalMask.Select(losses, 2, 0.5, selection).Counts);
    }

    [Fact]
    public void What_is_no_trace_is_refused()
    {
        Assert.Throws<ArgumentException>(() => GlobalMask.Select([1, 2, 3], 2, 0.5, MaskSelection.Heap));
        Assert.Throws<ArgumentException>(() => GlobalMask.Select([1, double.NaN], 2, 0.5, MaskSelection.Sort));
        Assert.Throws<ArgumentOutOfRangeException>(() => GlobalMask.Select([1, 2], 2, 1.5, MaskSelection.Heap));
    }

    private static (double[] Losses, int Rows, int Steps) Losses(int seed)
    {
        var random = new Random(seed);
        var (rows, steps) = (random.Next(1, 7), random.Next(1, 9));

        // Few distinct values, so that ties occur.
        return ([.. Enumerable.Range(0, rows * steps).Select(_ => random.Next(20) / 8.0)], rows, steps);
    }

    private static int[] Greedy(double[] losses, int rows, int steps, int total)
    {
        var counts = new int[rows];
        for (var k = 0; k < total; k++)
        {
            var best = -1;
            for (var row = 0; row < rows; row++)
            {
                if (counts[row] < steps && (best < 0 || losses[row * steps + counts[row]] < losses[best * steps + counts[best]]))
                    best = row;
            }

            counts[best]++;
        }

        return counts;
    }
}
