using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>Blobs as files to map into memory: the store's own where it keeps files, else verified copies in a folder that goes when the worker stops.</summary>
internal sealed class BlobFiles(TensorBlobs blobs) : IDisposable
{
    private readonly ConcurrentDictionary<string, Lazy<string>> _copies = new(StringComparer.Ordinal);
    private readonly Lazy<string> _folder = new(() => Directory.CreateTempSubdirectory("orc-blobs-").FullName);

    /// <summary>Waits for the verification, since weights are looked up where nothing can be awaited.</summary>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public string Find(BlobRef blob) =>
        Task.Run(() => blobs.FindFileAsync(blob, CancellationToken.None)).GetAwaiter().GetResult() ?? Copy(blob);

    public void Dispose()
    {
        if (_folder.IsValueCreated)
            Directory.Delete(_folder.Value, recursive: true);
    }

    private string Copy(BlobRef blob)
    {
        var copy = _copies.GetOrAdd(blob.Sha256, digest => new Lazy<string>(() =>
        {
            var path = Path.Combine(_folder.Value, digest);
            using var file = File.Create(path);
            Task.Run(() => blobs.CopyAsync(blob, file, CancellationToken.None)).GetAwaiter().GetResult();
            return path;
        }));
        try
        {
            return copy.Value;
        }
        catch
        {
            _copies.TryRemove(new KeyValuePair<string, Lazy<string>>(blob.Sha256, copy));
            throw;
        }
    }
}
