namespace Orchestrator.Jobs.Plans;

/// <summary>The cut of samples into shards: a pure function of their number and the batch that the model accepts. Indexed, never listed.</summary>
/// <param name="Samples">Samples altogether.</param>
/// <param name="Size">Samples of every shard but the last.</param>
/// <param name="Batch">Samples of one run of the graph.</param>
public sealed record SampleShards(int Samples, int Size, int Batch)
{
    public int Count => (Samples + Size - 1) / Size;

    public SampleRange this[int index] => new(index * Size, Math.Min(Size, Samples - index * Size));

    /// <param name="size">Samples a shard should have.</param>
    /// <param name="batch">Samples a run should have.</param>
    /// <param name="fixedBatch">The only batch that the model accepts; null where it leaves the dimension open.</param>
    public static SampleShards Cut(int samples, int size, int batch, int? fixedBatch)
    {
        var run = fixedBatch ?? Math.Min(batch, Math.Max(samples, 1));
        return new SampleShards(samples, Math.Max(size / run, 1) * run, run);
    }
}

public readonly record struct SampleRange(int First, int Count);
