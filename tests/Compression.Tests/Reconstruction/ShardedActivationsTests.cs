using System.Runtime.InteropServices;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Reconstruction;

namespace Orchestrator.Compression.Tests.Reconstruction;

public sealed class ShardedActivationsTests : IDisposable
{
    private readonly string _folder = Directory.CreateTempSubdirectory().FullName;
    private readonly List<ActivationShard> _shards = [];

    public void Dispose()
    {
        _shards.ForEach(shard => shard.Dispose());
        Directory.Delete(_folder, recursive: true);
    }

    [Fact]
    public void Samples_go_on_from_shard_to_shard()
    {
        var source = new ShardedActivations([Shard("in", 0, 3), Shard("in", 3, 1), Shard("in", 4, 2)]);

        Assert.Equal((6, 2), (source.Samples, source.ElementsOf("in")));
        foreach (var sample in (int[])[5, 0, 3, 2, 4, 1])
        {
            var into = new float[2];
            source.Read(sample, "in", into);
            Assert.Equal([2 * sample, 2 * sample + 1], into);
        }

        Assert.Throws<ArgumentOutOfRangeException>(() => source.Read(6, "in", new float[2]));
    }

    [Fact]
    public void Shards_of_different_values_are_refused()
    {
        Assert.Throws<InvalidDataException>(() => new ShardedActivations([Shard("in", 0, 3), Shard("out", 3, 1)]));
        Assert.Throws<ArgumentException>(() => new ShardedActivations([]));
    }

    private ActivationShard Shard(string value, int first, int samples)
    {
        var path = Path.Combine(_folder, $"{_shards.Count}");
        float[] content = [.. Enumerable.Range(2 * first, 2 * samples).Select(i => (float)i)];
        File.WriteAllBytes(path, [.. ActivationShard.HeaderOf(samples, [new ShardValue(value, 2)]), .. MemoryMarshal.AsBytes(content.AsSpan())]);
        _shards.Add(ActivationShard.Open(path));
        return _shards[^1];
    }
}
