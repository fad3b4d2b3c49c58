using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Caching;

/// <summary>
/// Input blobs by tenant and digest, read and verified once for all slots. Bounded by bytes, least recently used first out; a blob larger
/// than the bound is handed on and not kept.
/// </summary>
internal sealed class BlobCache(long maxBytes)
{
    private readonly Lock _lock = new();
    private readonly Dictionary<string, LinkedListNode<Entry>> _entries = new(StringComparer.Ordinal);
    private readonly LinkedList<Entry> _byUse = [];
    private long _bytes;

    /// <param name="read">How to get the blob where it is not here; that of one of all who want it at once.</param>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, Func<BlobRef, Task<ReadOnlyMemory<byte>>> read, CancellationToken cancellationToken)
    {
        for (var again = false; ; again = true)
        {
            var (node, isNew) = Take(blob);
            var content = node.Value.Content;
            if (isNew)
                // Not waited for by the caller alone: another slot may wait for the same read.
                SlotThread.StartShared(() => FillAsync(content, blob, read));
            try
            {
                return await content.Task.WaitAsync(cancellationToken);
            }
            catch when (content.Task.IsFaulted)
            {
                // A failed read must not be remembered: the blob may be there again under another name.
                lock (_lock)
                    Remove(node);
                // The rights of whoever read may have ended; ours have not.
                if (isNew || again)
                    throw;
            }
        }
    }

    /// <summary>Forgets what belongs to other tenants.</summary>
    public void KeepOnly(IReadOnlySet<string> tenants)
    {
        lock (_lock)
        {
            foreach (var entry in _byUse.Where(entry => !tenants.Contains(entry.Tenant)).ToArray())
                Remove(_entries[entry.Key]);
        }
    }

    public void Clear()
    {
        lock (_lock)
        {
            while (_byUse.Last is { } last)
                Remove(last);
        }
    }

    private static async Task FillAsync(TaskCompletionSource<ReadOnlyMemory<byte>> content, BlobRef blob, Func<BlobRef, Task<ReadOnlyMemory<byte>>> read)
    {
        try
        {
            content.SetResult(await read(blob));
        }
        catch (Exception failure)
        {
            content.SetException(failure);
        }
    }

    private (LinkedListNode<Entry> Node, bool IsNew) Take(BlobRef blob)
    {
        // A digest alone is no right to another tenant's blob.
        var tenant = BlobNames.TenantOf(blob.Name);
        var key = $"{tenant}/{blob.Sha256}";
        lock (_lock)
        {
            if (_entries.TryGetValue(key, out var known))
            {
                _byUse.Remove(known);
                _byUse.AddFirst(known);
                return (known, false);
            }

            // Whoever waits goes on where it waited; to make sure of it here would take a detour over the pool.
            var node = _byUse.AddFirst(new Entry(key, tenant, blob.Length, new TaskCompletionSource<ReadOnlyMemory<byte>>()));
            _entries[key] = node;
            _bytes += blob.Length;
            Evict();
            return (node, true);
        }
    }

    private void Evict()
    {
        while (_bytes > maxBytes && _byUse.Last is { } last)
            Remove(last);
    }

    private void Remove(LinkedListNode<Entry> node)
    {
        if (node.List is null)
            return;
        _byUse.Remove(node);
        _entries.Remove(node.Value.Key);
        _bytes -= node.Value.Length;
    }

    private sealed record Entry(string Key, string Tenant, long Length, TaskCompletionSource<ReadOnlyMemory<byte>> Content);
}
