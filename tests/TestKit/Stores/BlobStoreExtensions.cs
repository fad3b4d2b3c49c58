using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.TestKit.Stores;

/// <summary>What tests do to stores from outside.</summary>
public static class BlobStoreExtensions
{
    /// <summary>Names with a prefix, in order.</summary>
    public static async Task<IReadOnlyList<string>> NamesAsync(this IBlobStore store, string prefix)
    {
        var names = new List<string>();
        await foreach (var entry in store.ListAsync(prefix, CancellationToken.None))
            names.Add(entry.Name);
        return names;
    }

    /// <summary>A store with the same content.</summary>
    public static async Task<MemoryBlobStore> CopyAsync(this IBlobStore store)
    {
        var copy = new MemoryBlobStore();
        foreach (var name in await store.NamesAsync(""))
        {
            var content = (await store.ReadAsync(name, CancellationToken.None))!.Content;
            if (BlobName.IsHead(name))
                await copy.ReplaceAsync(name, content, null, CancellationToken.None);
            else
                await copy.CreateAsync(name, content, CancellationToken.None);
        }

        return copy;
    }

    /// <summary>Flips one bit in the middle of a blob, as a failing disk would.</summary>
    public static async Task DamageAsync(this IBlobStore store, string name)
    {
        var content = (await store.ReadAsync(name, CancellationToken.None) ?? throw new ArgumentException($"There is no '{name}'.", nameof(name))).Content.ToArray();
        content[content.Length / 2] ^= 1;
        await store.DeleteAsync(name, CancellationToken.None);
        await store.CreateAsync(name, content, CancellationToken.None);
    }
}
