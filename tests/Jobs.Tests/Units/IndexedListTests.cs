using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Tests.Units;

public sealed class IndexedListTests
{
    [Fact]
    public void Lists_made_of_lists_are_one_behind_the_other_and_empty_ones_are_passed_over()
    {
        int[][] parts = [[], [1, 2], [], [], [3], [4, 5, 6], []];

        var list = IndexedList.Concat<int>(parts);

        Assert.Equal(6, list.Count);
        Assert.Equal([1, 2, 3, 4, 5, 6], list);
        Assert.Equal([1, 2, 3, 4, 5, 6], Enumerable.Range(0, 6).Select(i => list[i]));
        Assert.Throws<ArgumentOutOfRangeException>(() => list[6]);
        Assert.Throws<ArgumentOutOfRangeException>(() => list[-1]);
        Assert.Empty(IndexedList.Concat<int>([]));
    }

    [Fact]
    public void Items_are_made_when_they_are_asked_for()
    {
        var made = 0;
        var list = new IndexedList<int>(1_000_000, i => made++ + i);

        Assert.Equal(999_999, list[999_999]);
        Assert.Equal(1, made);
    }
}
