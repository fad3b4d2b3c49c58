using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Caching;

namespace Orchestrator.Worker.Leasing;

/// <summary>One attempt's view of the store.</summary>
internal sealed class UnitContext(InputBlobs inputs, TensorBlobs blobs, UnitStates states, string outputPrefix) : IUnitContext, IDisposable
{
    private readonly ConcurrentQueue<UnitOutput> _outputs = [];
    private readonly ConcurrentBag<IDisposable> _pins = [];
    private double _fraction;

    /// <summary>What was written so far, in order.</summary>
    public IReadOnlyList<UnitOutput> Outputs => [.. _outputs];

    public double Fraction => Volatile.Read(ref _fraction);

    public async ValueTask<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken) => await inputs.ReadAsync(blob, blobs, cancellationToken);

    public async ValueTask<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, CancellationToken cancellationToken) => await inputs.ReadOnceAsync(blob, blobs, cancellationToken);

    /// <summary>Waits for the verification, since weights are looked up where nothing can be awaited.</summary>
    public string FileOf(BlobRef blob)
    {
        var (path, pin) = Task.Run(() => inputs.FileAsync(blob, blobs)).GetAwaiter().GetResult();
        if (pin is not null)
            _pins.Add(pin);
        return path;
    }

    public async Task WriteAsync(string role, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        _outputs.Enqueue(new UnitOutput(role, await blobs.WriteAsync(BlobNames.Output(outputPrefix, role), content, cancellationToken)));

    public async Task WriteAsync(string role, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
        _outputs.Enqueue(new UnitOutput(role, await blobs.WriteAsync(BlobNames.Output(outputPrefix, role), write, cancellationToken)));

    public Task<UnitState?> ReadStateAsync(CancellationToken cancellationToken) => states.ReadNewestAsync(cancellationToken);

    public Task WriteStateAsync(UnitState state, CancellationToken cancellationToken) => states.WriteAsync(state, cancellationToken);

    public void Dispose()
    {
        foreach (var pin in _pins)
            pin.Dispose();
    }

    public void Report(double fraction) => Volatile.Write(ref _fraction, Math.Clamp(fraction, 0, 1));
}
