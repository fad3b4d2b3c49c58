using System.Runtime.CompilerServices;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>A store that lives as long as the process: for tests, the simulator and runs that nobody wants to keep.</summary>
public sealed class MemoryBlobStore : IBlobStore
{
    private const string BlobETag = "1";

    private readonly Lock _lock = new();
    private readonly SortedDictionary<string, Entry> _entries = new(StringComparer.Ordinal);

    // Never reused, not even after a delete: an old ETag must not match a new head.
    private long _version;

    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
            return Task.FromResult(_entries.TryGetValue(name, out var entry) ? new Blob(entry.Content, entry.ETag) : null);
    }

    public async Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        var blob = await ReadAsync(name, cancellationToken);
        return blob is null ? null : new MemoryStream(blob.Content.ToArray(), writable: false);
    }

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        cancellationToken.ThrowIfCancellationRequested();
        var copy = content.ToArray();
        lock (_lock)
            return Task.FromResult(_entries.TryAdd(name, new Entry(copy, BlobETag)));
    }

    public async Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        using var buffer = new MemoryStream();
        await write(buffer, cancellationToken);
        return await CreateAsync(name, buffer.ToArray(), cancellationToken);
    }

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: true);
        cancellationToken.ThrowIfCancellationRequested();
        var copy = content.ToArray();
        lock (_lock)
        {
            var current = _entries.TryGetValue(name, out var entry) ? entry.ETag : null;
            if (current != etag)
                return Task.FromResult<string?>(null);
            var next = (++_version).ToString();
            _entries[name] = new Entry(copy, next);
            return Task.FromResult<string?>(next);
        }
    }

    public Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        cancellationToken.ThrowIfCancellationRequested();
        lock (_lock)
            _entries.Remove(name);
        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        BlobEntry[] found;
        lock (_lock)
            found = [.. _entries.Where(e => e.Key.StartsWith(prefix, StringComparison.Ordinal)).Select(e => new BlobEntry(e.Key, e.Value.Content.Length))];
        foreach (var entry in found)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return entry;
        }

        await Task.CompletedTask;
    }

    private sealed record Entry(byte[] Content, string ETag);
}
