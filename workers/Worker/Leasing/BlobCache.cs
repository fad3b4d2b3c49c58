using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

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

    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, TensorBlobs blobs, CancellationToken cancellationToken)
    {
        // A digest alone is no right to another tenant's blob.
        var key = $"{BlobNames.TenantOf(blob.Name)}/{blob.Sha256}";
        Task<ReadOnlyMemory<byte>> content;
        LinkedListNode<Entry> node;
        lock (_lock)
        {
            if (_entries.TryGetValue(key, out node!))
            {
                _byUse.Remove(node);
                _byUse.AddFirst(node);
                content = node.Value.Content;
            }
            else
            {
                // Not with the caller's token: another slot may wait for the same read.
                content = blobs.ReadAsync(blob, CancellationToken.None);
                node = _byUse.AddFirst(new Entry(key, blob.Length, content));
                _entries[key] = node;
                _bytes += blob.Length;
                Evict();
            }
        }

        try
        {
            return await content.WaitAsync(cancellationToken);
        }
        catch when (content.IsFaulted)
        {
            // A failed read must not be remembered: the blob may be there again under another name.
            lock (_lock)
                Remove(node);
            throw;
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

    private sealed record Entry(string Key, long Length, Task<ReadOnlyMemory<byte>> Content);
}
