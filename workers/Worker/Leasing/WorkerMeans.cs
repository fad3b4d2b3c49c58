using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Worker.Caching;

namespace Orchestrator.Worker.Leasing;

/// <summary>What a worker may have beyond one in the same process as its coordinator.</summary>
public sealed record WorkerMeans
{
    /// <summary>Opens what a slot computes on; null for a thread each.</summary>
    public Func<int, ISlot>? Slots { get; init; }

    /// <summary>The blobs as an attempt may see them, where rights are granted attempt by attempt; null where all see the same store.</summary>
    public Func<Lease, TensorBlobs>? BlobsOf { get; init; }

    /// <summary>Input blobs as files of this machine; null where the store is as near. Stays open when the worker ends.</summary>
    public DiskCache? Cache { get; init; }

    /// <summary>Memory that a further unit may take; null where nobody knows.</summary>
    public Func<long?> FreeBytes { get; init; } = static () => null;

    public IWorkerObserver? Observer { get; init; }
}
