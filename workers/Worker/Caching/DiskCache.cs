using Orchestrator.Checkpoints;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Caching;

/// <summary>
/// Input blobs as files, by tenant and digest: downloaded and verified once for all slots. Bounded by bytes, least recently used first
/// out; a file in use stays, and so does one that models map, until the models are let go of: these alone may go over the bound. The
/// folder is this worker's own and is emptied when the cache opens and when it is disposed of: what belongs to tenants does not outlast
/// their units.
/// </summary>
public sealed class DiskCache : IDisposable
{
    private const string Claim = ".claim";
    private const int CopyBuffer = 1 << 20;

    private readonly CacheIndex _index;
    private readonly Lazy<string> _folder;
    private readonly Func<string, long> _freeBytes;
    private readonly FileStream? _claim;
    private long _downloaded;

    private DiskCache(Lazy<string> folder, long maxBytes, Func<string, long> freeBytes, FileStream? claim) =>
        (_folder, _index, _freeBytes, _claim) = (folder, new CacheIndex(() => folder.Value, maxBytes), freeBytes, claim);

    public string Folder => _folder.Value;

    /// <summary>Bytes that came from stores.</summary>
    public long Downloaded => Interlocked.Read(ref _downloaded);

    /// <summary>Bytes of all files.</summary>
    public long Bytes => _index.Bytes;

    /// <param name="folder">Absolute; made where it is missing.</param>
    /// <param name="freeBytes">Free bytes on the disk of a folder.</param>
    /// <exception cref="InputException">Another worker uses the folder, it holds something else, or it cannot be written.</exception>
    public static DiskCache Open(string folder, long maxBytes, Func<string, long> freeBytes)
    {
        try
        {
            Directory.CreateDirectory(folder);
            var path = Path.Combine(folder, Claim);
            // What lies there is only ever deleted where a worker has left its mark.
            if (!File.Exists(path) && Directory.EnumerateFileSystemEntries(folder).Any())
                throw new InputException("cache-not-empty", folder, "the folder holds files that no worker put there", "Give an empty folder, or none, with --cache.");
            var claim = new FileStream(path, FileMode.OpenOrCreate, FileAccess.ReadWrite, FileShare.None);
            Empty(folder);
            return new DiskCache(new Lazy<string>(folder), maxBytes, freeBytes, claim);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            throw new InputException("cache-not-usable", folder, $"the folder cannot be used: {failure.Message}", "Give each worker a folder of its own with --cache.", failure);
        }
    }

    /// <summary>In a folder that is made when the first file comes; without a bound.</summary>
    internal static DiskCache Temporary() => new(new Lazy<string>(() => Directory.CreateTempSubdirectory("orc-blobs-").FullName), long.MaxValue, _ => long.MaxValue, null);

    /// <summary>The file of a blob, downloaded where it is not there yet. It stays as long as the result is not disposed of.</summary>
    /// <param name="source">Where to download from; one of all who want a blob at once.</param>
    /// <param name="isMapped">It is mapped into memory, by models that may be kept for longer than one use.</param>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    /// <exception cref="DiskFullException">There is no room for it.</exception>
    public async Task<CachedFile> PinAsync(BlobRef blob, TensorBlobs source, bool isMapped, CancellationToken cancellationToken)
    {
        for (var again = false; ; again = true)
        {
            var (entry, isNew) = _index.Pin(blob, isMapped);
            if (isNew)
                // Not with the caller's token, nor waited for by the caller alone: another slot may want the same file.
                SlotThread.StartShared(() => FillAsync(entry, blob, source));
            try
            {
                await entry.Filled.Task.WaitAsync(cancellationToken);
                return new CachedFile(entry.Path, () => _index.Unpin(entry));
            }
            catch (Exception) when (entry.Filled.Task.IsFaulted && !isNew && !again)
            {
                // The other's rights may have ended; ours have not.
                _index.Unpin(entry);
            }
            catch
            {
                _index.Unpin(entry);
                throw;
            }
        }
    }

    /// <summary>Bytes of these blobs that there is no room for; 0 where all of them fit.</summary>
    public long Lacking(IEnumerable<BlobRef> blobs)
    {
        var (needed, evictable) = _index.Weigh(blobs);
        var free = _freeBytes(Folder);
        return Math.Max(0, needed - (free > long.MaxValue - evictable ? long.MaxValue : free + evictable));
    }

    /// <summary>No model that is not in use maps a file any more.</summary>
    public void Unmap() => _index.Unmap();

    /// <summary>Removes the files of all other tenants that are not in use.</summary>
    public void KeepOnly(IReadOnlySet<string> tenants) => _index.KeepOnly(tenants);

    /// <summary>Removes a file that turned out not to be what it was.</summary>
    internal void Discard(BlobRef blob) => _index.Forget(blob);

    public void Dispose()
    {
        if (_claim is null && !_folder.IsValueCreated)
            return;
        try
        {
            if (_claim is null)
            {
                Directory.Delete(Folder, recursive: true);
                return;
            }

            Empty(Folder);
            _claim.Dispose();
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // A download may still be under way; the next worker empties the folder.
        }
    }

    private static void Empty(string folder)
    {
        foreach (var tenant in Directory.EnumerateDirectories(folder))
            Directory.Delete(tenant, recursive: true);
    }

    private async Task FillAsync(CacheEntry entry, BlobRef blob, TensorBlobs source)
    {
        try
        {
            await DownloadAsync(entry, blob, source);
            _index.Unpin(entry);
            entry.Filled.SetResult();
        }
        catch (Exception failure)
        {
            _index.Forget(entry);
            _index.Unpin(entry);
            entry.Filled.SetException(failure);
        }
    }

    private async Task DownloadAsync(CacheEntry entry, BlobRef blob, TensorBlobs source)
    {
        var part = $"{entry.Path}.part";
        for (var again = false; ; again = true)
        {
            try
            {
                Directory.CreateDirectory(Path.GetDirectoryName(entry.Path)!);
                long length;
                await using (var file = new FileStream(part, FileMode.Create, FileAccess.Write, FileShare.None, CopyBuffer, FileOptions.Asynchronous))
                {
                    await source.CopyAsync(blob, file, CancellationToken.None);
                    await file.FlushAsync();
                    length = file.Length;
                }

                File.Move(part, entry.Path, overwrite: true);
                _index.Measure(entry, length);
                Interlocked.Add(ref _downloaded, length);
                return;
            }
            catch (Exception failure)
            {
                CacheIndex.Delete(part);
                if (!DiskFullException.Is(failure))
                    throw;
                // Room that was promised may be taken by whoever else writes to the disk.
                if (again || !_index.EvictAll())
                    throw new DiskFullException($"'{Folder}' has no room for '{blob.Name}' ({blob.Length} bytes): {_freeBytes(Folder)} bytes are free.", failure);
            }
        }
    }
}
