using System.Runtime.InteropServices;
using Orchestrator.Compression.Data;

namespace Orchestrator.Compression.Tests.Data;

public sealed class ActivationShardTests : IDisposable
{
    private readonly string _path = Path.GetTempFileName();

    public void Dispose() => File.Delete(_path);

    [Fact]
    public void Any_sample_of_any_value_can_be_read()
    {
        Write(3, [new ShardValue("in", 2), new ShardValue("out", 1)], [.. Enumerable.Range(0, 9).Select(i => (float)i)]);
        using var shard = ActivationShard.Open(_path);

        Assert.Equal((3, 2, 1), (shard.Samples, shard.ElementsOf("in"), shard.ElementsOf("out")));
        Assert.Equal([6, 7], Read(shard, 2, "in", 2));
        Assert.Equal([2], Read(shard, 0, "out", 1));
        Assert.Equal([3, 4], Read(shard, 1, "in", 2));
    }

    [Fact]
    public void What_is_not_there_is_refused()
    {
        Write(1, [new ShardValue("in", 2)], [1, 2]);
        using var shard = ActivationShard.Open(_path);

        Assert.Throws<ArgumentOutOfRangeException>(() => Read(shard, 1, "in", 2));
        Assert.Throws<ArgumentException>(() => Read(shard, 0, "in", 1));
        Assert.Throws<KeyNotFoundException>(() => Read(shard, 0, "none", 2));
    }

    [Theory]
    [InlineData(new byte[0])]
    [InlineData(new byte[] { 255, 255, 255, 127, 0 })]
    [InlineData(new byte[] { 0, 0, 0, 0 })]
    public void A_file_that_is_no_shard_is_refused(byte[] content)
    {
        File.WriteAllBytes(_path, content);
        Assert.Throws<InvalidDataException>(() => ActivationShard.Open(_path));
    }

    [Fact]
    public void A_shard_of_another_length_than_its_header_says_is_refused()
    {
        Write(2, [new ShardValue("in", 2)], [1, 2]);
        Assert.Throws<InvalidDataException>(() => ActivationShard.Open(_path));
    }

    private static float[] Read(ActivationShard shard, int sample, string value, int elements)
    {
        var into = new float[elements];
        shard.Read(sample, value, into);
        return into;
    }

    private void Write(int samples, ShardValue[] values, float[] content) =>
        File.WriteAllBytes(_path, [.. ActivationShard.HeaderOf(samples, values), .. MemoryMarshal.AsBytes(content.AsSpan())]);
}
