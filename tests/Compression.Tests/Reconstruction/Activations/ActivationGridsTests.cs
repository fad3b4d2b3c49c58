using System.Text;
using Orchestrator.Compression.Reconstruction.Activations;

namespace Orchestrator.Compression.Tests.Reconstruction.Activations;

public sealed class ActivationGridsTests
{
    private static readonly ActivationGrid[] s_grids = [new("b", 4, 0.1f, 3), new("a/é", 8, float.Epsilon, 255), new("c", 2, 1e30f, 0)];

    [Fact]
    public void Grids_come_back_bit_by_bit_and_in_order()
    {
        var bytes = ActivationGrids.ToBytes(s_grids);

        Assert.Equal(s_grids, ActivationGrids.Open(bytes));
        Assert.Equal(bytes, ActivationGrids.ToBytes([.. ActivationGrids.Open(bytes)]));
        Assert.Equal("""{"schema":1,"grids":[{"value":"b","bits":4,"scale":0.1,"zero":3}]}""", Encoding.UTF8.GetString(ActivationGrids.ToBytes([s_grids[0]])));
    }

    [Theory]
    [InlineData("")]
    [InlineData("null")]
    [InlineData("{}")]
    [InlineData("""{"schema":2,"grids":[]}""")]
    [InlineData("""{"schema":1,"grids":null}""")]
    [InlineData("""{"schema":1,"grids":[null]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"","bits":4,"scale":1,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":4,"scale":1,"zero":0},{"value":"a","bits":4,"scale":1,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":1,"scale":1,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":9,"scale":1,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":4,"scale":0,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":4,"scale":-1,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":4,"scale":1e99,"zero":0}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":4,"scale":1,"zero":16}]}""")]
    [InlineData("""{"schema":1,"grids":[{"value":"a","bits":4,"scale":1,"zero":-1}]}""")]
    public void What_is_damaged_is_refused(string text) => Assert.Throws<InvalidDataException>(() => ActivationGrids.Open(Encoding.UTF8.GetBytes(text)));

    [Fact]
    public void A_blob_cut_short_is_refused()
    {
        var bytes = ActivationGrids.ToBytes(s_grids);
        Assert.All(Enumerable.Range(0, bytes.Length), length => Assert.Throws<InvalidDataException>(() => ActivationGrids.Open(bytes.AsSpan(0, length))));
    }

    [Fact]
    public void Tuned_grids_take_the_place_of_initial_ones()
    {
        var tuned = s_grids[1] with { Scale = 2 };
        var merged = ActivationGrids.Merge([ActivationGrids.ToBytes(s_grids), ActivationGrids.ToBytes([tuned])]);

        Assert.Equal([s_grids[0], tuned, s_grids[2]], merged);
        Assert.Empty(ActivationGrids.Merge([]));
    }
}
