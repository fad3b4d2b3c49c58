using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;

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
    private const int DigestLength = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, Entry> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = [];
    private readonly Lazy<string> _folder;
    private readonly long _maxBytes;
    private readonly Func<string, long> _freeBytes;
    private readonly FileStream? _claim;
    private long _bytes;
    private long _downloaded;

    private DiskCache(Lazy<string> folder, long maxBytes, Func<string, long> freeBytes, FileStream? claim) =>
        (_folder, _maxBytes, _freeBytes, _claim) = (folder, maxBytes, freeBytes, claim);

    public string Folder => _folder.Value;

    /// <summary>Bytes that came from stores.</summary>
    public long Downloaded => Interlocked.Read(ref _downloaded);

    /// <summary>Bytes of all files.</summary>
    public long Bytes
    {
        get
        {
            lock (_lock)
                return _bytes;
        }
    }

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
            var (entry, isNew) = Rent(blob, isMapped);
            if (isNew)
                // Not with the caller's token, nor waited for by the caller alone: another slot may want the same file.
                _ = FillAsync(entry, blob, source);
            try
            {
                await entry.Filled.Task.WaitAsync(cancellationToken);
                return new CachedFile(entry.Path, () => Return(entry));
            }
            catch (Exception) when (entry.Filled.Task.IsFaulted && !isNew && !again)
            {
                // The other's rights may have ended; ours have not.
                Return(entry);
            }
            catch
            {
                Return(entry);
                throw;
            }
        }
    }

    /// <summary>Bytes of these blobs that there is no room for; 0 where all of them fit.</summary>
    public long Lacking(IEnumerable<BlobRef> blobs)
    {
        long needed, evictable;
        lock (_lock)
        {
            needed = blobs.DistinctBy(KeyOf).Where(blob => !_entries.ContainsKey(KeyOf(blob))).Sum(blob => blob.Length);
            evictable = _byUse.Where(entry => entry.IsUnused).Sum(entry => entry.Bytes);
        }

        var free = _freeBytes(Folder);
        return Math.Max(0, needed - (free > long.MaxValue - evictable ? long.MaxValue : free + evictable));
    }

    /// <summary>No model that is not in use maps a file any more.</summary>
    public void Unmap()
    {
        lock (_lock)
        {
            foreach (var entry in _byUse)
                entry.IsMapped = false;
            Evict();
        }
    }

    /// <summary>Removes the files of all other tenants that are not in use.</summary>
    public void KeepOnly(IReadOnlySet<string> tenants)
    {
        lock (_lock)
        {
            foreach (var entry in _byUse.Where(entry => entry.Pins == 0 && !tenants.Contains(entry.Tenant)).ToArray())
                Remove(entry);
        }
    }

    /// <summary>Removes a file that turned out not to be what it was.</summary>
    internal void Discard(BlobRef blob)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(KeyOf(blob), out var entry))
                Forget(entry);
        }
    }

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

    /// <summary>A digest alone is no right to another tenant's blob.</summary>
    private static string KeyOf(BlobRef blob) => $"{BlobNames.TenantOf(blob.Name)}/{blob.Sha256}";

    private (Entry Entry, bool IsNew) Rent(BlobRef blob, bool isMapped)
    {
        BlobName.Check(blob.Name);
        if (blob.Sha256.Length != DigestLength || !blob.Sha256.All(char.IsAsciiHexDigitLower))
            throw new DamagedBlobException(blob, "its digest is none");
        lock (_lock)
        {
            if (_entries.TryGetValue(KeyOf(blob), out var known))
            {
                known.Pins++;
                known.IsMapped |= isMapped;
                _byUse.Remove(known.Place);
                _byUse.AddFirst(known.Place);
                return (known, false);
            }

            var tenant = BlobNames.TenantOf(blob.Name);
            var entry = new Entry(KeyOf(blob), tenant, Path.Combine(Folder, tenant, blob.Sha256)) { Pins = 2, IsMapped = isMapped };
            _entries[entry.Key] = entry;
            _byUse.AddFirst(entry.Place);
            // A blob whose length nobody knows yet is counted when it is there.
            Count(entry, blob.Length == long.MaxValue ? 0 : blob.Length);
            return (entry, true);
        }
    }

    private void Return(Entry entry)
    {
        lock (_lock)
        {
            entry.Pins--;
            Evict();
        }
    }

    private async Task FillAsync(Entry entry, BlobRef blob, TensorBlobs source)
    {
        try
        {
            await DownloadAsync(entry, blob, source);
            Return(entry);
            entry.Filled.SetResult();
        }
        catch (Exception failure)
        {
            lock (_lock)
                Forget(entry);
            Return(entry);
            entry.Filled.SetException(failure);
        }
    }

    private async Task DownloadAsync(Entry entry, BlobRef blob, TensorBlobs source)
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
                lock (_lock)
                    Count(entry, length - entry.Bytes);
                Interlocked.Add(ref _downloaded, length);
                return;
            }
            catch (Exception failure)
            {
                Delete(part);
                if (!DiskFullException.Is(failure))
                    throw;
                // Room that was promised may be taken by whoever else writes to the disk.
                if (again || !EvictAll())
                    throw new DiskFullException($"'{Folder}' has no room for '{blob.Name}' ({blob.Length} bytes): {_freeBytes(Folder)} bytes are free.", failure);
            }
        }
    }

    private void Count(Entry entry, long bytes)
    {
        entry.Bytes += bytes;
        _bytes += bytes;
        Evict();
    }

    private void Evict()
    {
        for (var place = _byUse.Last; place is not null && _bytes > _maxBytes;)
        {
            var entry = place.Value;
            place = place.Previous;
            if (entry.IsUnused)
                Remove(entry);
        }
    }

    /// <returns>Whether that made any room.</returns>
    private bool EvictAll()
    {
        lock (_lock)
        {
            Entry[] unused = [.. _byUse.Where(entry => entry.IsUnused)];
            foreach (var entry in unused)
                Remove(entry);
            return unused.Length > 0;
        }
    }

    private void Remove(Entry entry)
    {
        Forget(entry);
        Delete(entry.Path);
    }

    private void Forget(Entry entry)
    {
        if (!_entries.TryGetValue(entry.Key, out var known) || known != entry)
            return;
        _entries.Remove(entry.Key);
        _byUse.Remove(entry.Place);
        _bytes -= entry.Bytes;
    }

    private static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // It goes with the folder.
        }
    }

    private sealed class Entry
    {
        public Entry(string key, string tenant, string path)
        {
            (Key, Tenant, Path) = (key, tenant, path);
            Place = new LinkedListNode<Entry>(this);
        }

        public string Key { get; }

        public string Tenant { get; }

        public string Path { get; }

        public LinkedListNode<Entry> Place { get; }

        public TaskCompletionSource Filled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public long Bytes { get; set; }

        /// <summary>Who needs the file now; its download is one of them.</summary>
        public int Pins { get; set; }

        public bool IsMapped { get; set; }

        public bool IsUnused => Pins == 0 && !IsMapped;
    }
}

/// <summary>A file of the cache while it is in use.</summary>
public sealed class CachedFile(string path, Action giveBack) : IDisposable
{
    private Action? _giveBack = giveBack;

    public string Path { get; } = path;

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
