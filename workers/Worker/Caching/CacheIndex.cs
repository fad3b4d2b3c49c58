using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Caching;

/// <summary>Which files a <see cref="DiskCache"/> has, who uses them, and which make room. Safe for concurrent use.</summary>
internal sealed class CacheIndex(Func<string> folder, long maxBytes)
{
    private const int DigestLength = 64;

    private readonly Lock _lock = new();
    private readonly Dictionary<string, CacheEntry> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<CacheEntry> _byUse = [];
    private long _bytes;

    public long Bytes
    {
        get
        {
            lock (_lock)
                return _bytes;
        }
    }

    /// <summary>The entry of a blob, pinned; of a new one its download is pinned, too.</summary>
    /// <exception cref="DamagedBlobException">The blob's digest is none.</exception>
    public (CacheEntry Entry, bool IsNew) Pin(BlobRef blob, bool isMapped)
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
            var entry = new CacheEntry(KeyOf(blob), tenant, Path.Combine(folder(), tenant, blob.Sha256)) { Pins = 2, IsMapped = isMapped };
            _entries[entry.Key] = entry;
            _byUse.AddFirst(entry.Place);
            // A blob whose length nobody knows yet is counted when it is there.
            Count(entry, blob.Length == long.MaxValue ? 0 : blob.Length);
            return (entry, true);
        }
    }

    public void Unpin(CacheEntry entry)
    {
        lock (_lock)
        {
            entry.Pins--;
            Evict();
        }
    }

    /// <summary>An entry's file is there.</summary>
    public void Measure(CacheEntry entry, long length)
    {
        lock (_lock)
            Count(entry, length - entry.Bytes);
    }

    /// <summary>An entry's file is not there, or not what it was.</summary>
    public void Forget(CacheEntry entry)
    {
        lock (_lock)
        {
            if (!_entries.TryGetValue(entry.Key, out var known) || known != entry)
                return;
            _entries.Remove(entry.Key);
            _byUse.Remove(entry.Place);
            _bytes -= entry.Bytes;
        }
    }

    public void Forget(BlobRef blob)
    {
        lock (_lock)
        {
            if (_entries.TryGetValue(KeyOf(blob), out var entry))
                Forget(entry);
        }
    }

    /// <summary>Bytes of those that are not here, and bytes that could make room for them.</summary>
    public (long Needed, long Evictable) Weigh(IEnumerable<BlobRef> blobs)
    {
        lock (_lock)
        {
            return (
                blobs.DistinctBy(KeyOf).Where(blob => !_entries.ContainsKey(KeyOf(blob))).Sum(blob => blob.Length),
                _byUse.Where(entry => entry.IsUnused).Sum(entry => entry.Bytes));
        }
    }

    public void Unmap()
    {
        lock (_lock)
        {
            foreach (var entry in _byUse)
                entry.IsMapped = false;
            Evict();
        }
    }

    public void KeepOnly(IReadOnlySet<string> tenants) => RemoveAll(entry => entry.Pins == 0 && !tenants.Contains(entry.Tenant));

    /// <returns>Whether that made any room.</returns>
    public bool EvictAll() => RemoveAll(entry => entry.IsUnused) > 0;

    /// <summary>What cannot be deleted goes with the folder.</summary>
    public static void Delete(string path)
    {
        try
        {
            File.Delete(path);
        }
        catch (Exception failure) when (failure is IOException or UnauthorizedAccessException)
        {
            // See above.
        }
    }

    /// <summary>A digest alone is no right to another tenant's blob.</summary>
    private static string KeyOf(BlobRef blob) => $"{BlobNames.TenantOf(blob.Name)}/{blob.Sha256}";

    private int RemoveAll(Func<CacheEntry, bool> which)
    {
        lock (_lock)
        {
            CacheEntry[] gone = [.. _byUse.Where(which)];
            foreach (var entry in gone)
                Remove(entry);
            return gone.Length;
        }
    }

    private void Count(CacheEntry entry, long bytes)
    {
        entry.Bytes += bytes;
        _bytes += bytes;
        Evict();
    }

    private void Evict()
    {
        for (var place = _byUse.Last; place is not null && _bytes > maxBytes;)
        {
            var entry = place.Value;
            place = place.Previous;
            if (entry.IsUnused)
                Remove(entry);
        }
    }

    private void Remove(CacheEntry entry)
    {
        Forget(entry);
        Delete(entry.Path);
    }
}

/// <summary>A file of a cache, there or on its way.</summary>
internal sealed class CacheEntry
{
    public CacheEntry(string key, string tenant, string path)
    {
        (Key, Tenant, Path) = (key, tenant, path);
        Place = new LinkedListNode<CacheEntry>(this);
    }

    public string Key { get; }

    public string Tenant { get; }

    public string Path { get; }

    public LinkedListNode<CacheEntry> Place { get; }

    public TaskCompletionSource Filled { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

    public long Bytes { get; set; }

    /// <summary>Who needs the file now; its download is one of them.</summary>
    public int Pins { get; set; }

    public bool IsMapped { get; set; }

    public bool IsUnused => Pins == 0 && !IsMapped;
}
