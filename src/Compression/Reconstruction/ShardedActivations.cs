using Orchestrator.Compression.Data;

namespace Orchestrator.Compression.Reconstruction;

/// <summary>Activations in shards, which follow one another as the samples do. The shards are the caller's to dispose of.</summary>
public sealed class ShardedActivations : IActivationSource
{
    private readonly IReadOnlyList<ActivationShard> _shards;
    private readonly int[] _ends;

    /// <exception cref="InvalidDataException">The shards hold different values.</exception>
    public ShardedActivations(IReadOnlyList<ActivationShard> shards)
    {
        if (shards.Count == 0)
            throw new ArgumentException("Activations need a shard at least.", nameof(shards));
        (_shards, _ends) = (shards, new int[shards.Count]);
        for (var i = 0; i < shards.Count; i++)
        {
            _ends[i] = (i == 0 ? 0 : _ends[i - 1]) + shards[i].Samples;
            if (!shards[i].Values.ToHashSet().SetEquals(shards[0].Values) || shards[i].Values.Any(v => shards[i].ElementsOf(v) != shards[0].ElementsOf(v)))
                throw new InvalidDataException($"Shard {i} holds other values than the first one.");
        }
    }

    public int Samples => _ends[^1];

    public int ElementsOf(string value) => _shards[0].ElementsOf(value);

    public void Read(int sample, string value, Span<float> into)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sample, Samples);
        var shard = Array.BinarySearch(_ends, sample + 1);
        shard = shard < 0 ? ~shard : shard;
        _shards[shard].Read(sample - (shard == 0 ? 0 : _ends[shard - 1]), value, into);
    }
}
