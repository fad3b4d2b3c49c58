using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>What a running unit may touch: its input blobs, its own output names, its progress. Safe for concurrent use.</summary>
public interface IUnitContext
{
    /// <summary>Whole content of an input blob, SHA-256 verified. Kept in the worker's cache by digest, so the bytes are shared: never write to them.</summary>
    /// <exception cref="Checkpoints.DamagedBlobException">Missing, or not what its digest says. Let it pass: the coordinator runs the producer again.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken);

    /// <summary>As <see cref="ReadAsync"/>, for a blob that no other unit reads: it is not kept.</summary>
    /// <exception cref="Checkpoints.DamagedBlobException">Missing, or not what its digest says.</exception>
    public ValueTask<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, CancellationToken cancellationToken);

    /// <summary>A file with the content of a blob, SHA-256 verified once, for mapping into memory. It stays as long as the unit runs, and longer for a runner that is <see cref="IReclaimable"/>: until it is told to let go.</summary>
    /// <exception cref="Checkpoints.DamagedBlobException">Missing, or not what its digest says.</exception>
    public string FileOf(BlobRef blob);

    /// <summary>Writes one output blob under a name unique to this attempt. Each role once, in the order that the unit's spec defines.</summary>
    public Task WriteAsync(string role, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>Writes one output blob piece by piece; for content that should not lie in memory twice.</summary>
    public Task WriteAsync(string role, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken);

    /// <summary>The newest state that an attempt of this unit left on its way; null where there is none that is sound.</summary>
    public Task<UnitState?> ReadStateAsync(CancellationToken cancellationToken);

    /// <summary>Leaves a state on the way, so that whoever has to run the unit again goes on from there. A function of the unit's key and the number alone; numbers go up by one, from 1 or from that of the state that was read.</summary>
    public Task WriteStateAsync(UnitState state, CancellationToken cancellationToken);

    /// <summary>Progress within the unit, 0 to 1; travels with the next heartbeat.</summary>
    public void Report(double fraction);
}
