using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Caching;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>
/// Units that share a model whose weights are read when they are looked at, by then perhaps by another unit than the one that loaded it. The
/// right to read ends with a unit's lease, so that any unit that still has it is asked, the newest first.
/// </summary>
internal sealed class WeightReaders
{
    private readonly Lock _lock = new();
    private readonly List<WeakReference<IUnitContext>> _readers = [];

    public void Add(IUnitContext reader)
    {
        lock (_lock)
        {
            _readers.RemoveAll(known => !known.TryGetTarget(out var other) || other == reader);
            _readers.Add(new WeakReference<IUnitContext>(reader));
        }
    }

    /// <summary>As <see cref="IUnitContext.FileOf"/>.</summary>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    /// <exception cref="IOException">None of them may or can read it.</exception>
    public string FileOf(BlobRef blob)
    {
        Exception? refused = null;
        while (Newest() is { } reader)
        {
            try
            {
                return reader.FileOf(blob);
            }
            catch (Exception cause) when (cause is IOException or UnauthorizedAccessException && cause is not DiskFullException)
            {
                refused = cause;
                Remove(reader);
            }
        }

        throw new IOException(refused?.Message ?? $"No unit that may read '{blob.Name}' runs any more.", refused);
    }

    private IUnitContext? Newest()
    {
        lock (_lock)
        {
            for (var i = _readers.Count - 1; i >= 0; i--)
            {
                if (_readers[i].TryGetTarget(out var reader))
                    return reader;
            }

            return null;
        }
    }

    private void Remove(IUnitContext reader)
    {
        lock (_lock)
            _readers.RemoveAll(known => !known.TryGetTarget(out var other) || other == reader);
    }
}
