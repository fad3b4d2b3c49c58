using FsCheck;
using FsCheck.Fluent;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Tests.Plans;

public sealed class RowRangesTests
{
    private static readonly Arbitrary<(int Groups, int GroupRows, double Target)> s_layers = Arb.From(
        from groups in Gen.Choose(1, 40)
        from groupRows in Gen.Choose(1, 60)
        from target in Gen.Choose(1, 40_000)
        select (groups, groupRows, target / 10.0));

    [Fact]
    public void Every_row_is_in_exactly_one_range_and_in_order() => Check(ranges =>
    {
        var row = 0;
        for (var i = 0; i < ranges.Ranges.Count; i++)
        {
            var range = ranges.Ranges[i];
            Assert.Equal(row, range.First);
            Assert.True(range.Rows > 0);
            for (; row < range.End; row++)
                Assert.Equal(i, ranges.Ranges.IndexOf(row));
        }

        Assert.Equal(ranges.Layer.Rows, row);
    });

    [Fact]
    public void A_range_lies_in_one_group_or_holds_whole_groups() => Check(ranges =>
    {
        var groupRows = ranges.Layer.Rows / ranges.Layer.Groups;
        for (var i = 0; i < ranges.Ranges.Count; i++)
        {
            var range = ranges.Ranges[i];
            var within = range.First / groupRows == (range.End - 1) / groupRows;
            Assert.True(within || (range.First % groupRows == 0 && range.End % groupRows == 0));
        }
    });

    [Fact]
    public void No_range_is_larger_than_asked_for_unless_it_is_a_single_row() => Check(ranges =>
    {
        for (var i = 0; i < ranges.Ranges.Count; i++)
            Assert.True(ranges.Ranges[i].Rows <= Math.Max(1, ranges.Target));
    });

    [Fact]
    public void An_index_outside_is_refused()
    {
        var ranges = new RowRanges(new LayerShape(10, 4, 1, 1), 4);

        Assert.Equal(3, ranges.Count);
        Assert.Throws<ArgumentOutOfRangeException>(() => ranges[3]);
        Assert.Throws<ArgumentOutOfRangeException>(() => ranges[-1]);
    }

    private static void Check(Action<(LayerShape Layer, double Target, RowRanges Ranges)> property) =>
        FsCheck.Check.QuickThrowOnFailure(Prop.ForAll(s_layers, drawn =>
        {
            var layer = new LayerShape(drawn.Groups * drawn.GroupRows, 9, drawn.Groups, 9);
            property((layer, drawn.Target, new RowRanges(layer, RowRanges.FitSize(layer, drawn.Target))));
        }));
}
