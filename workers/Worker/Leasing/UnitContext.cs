using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>One attempt's view of the store.</summary>
internal sealed class UnitContext(BlobCache cache, BlobFiles files, TensorBlobs blobs, string outputPrefix) : IUnitContext, IDisposable
{
    private readonly ConcurrentQueue<UnitOutput> _outputs = [];
    private double _fraction;

    /// <summary>What was written so far, in order.</summary>
    public IReadOnlyList<UnitOutput> Outputs => [.. _outputs];

    public double Fraction => Volatile.Read(ref _fraction);

    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken) => await cache.ReadAsync(blob, blobs, cancellationToken);

    public async ValueTask<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, CancellationToken cancellationToken) => await blobs.ReadAsync(blob, cancellationToken);

    public string FileOf(BlobRef blob) => files.Find(blob);

    public async Task WriteAsync(string role, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        _outputs.Enqueue(new UnitOutput(role, await blobs.WriteAsync(BlobNames.Output(outputPrefix, role), content, cancellationToken)));

    public async Task WriteAsync(string role, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
        _outputs.Enqueue(new UnitOutput(role, await blobs.WriteAsync(BlobNames.Output(outputPrefix, role), write, cancellationToken)));

    public void Dispose()
    {
        // The caches belong to the worker.
    }

    public void Report(double fraction) => Volatile.Write(ref _fraction, Math.Clamp(fraction, 0, 1));
}
