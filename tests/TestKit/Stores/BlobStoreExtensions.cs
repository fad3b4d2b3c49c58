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

    /// <summary>Flips one bit in the middle of a blob, as a failing disk would.</summary>
    public static async Task DamageAsync(this IBlobStore store, string name)
    {
        var content = (await store.ReadAsync(name, CancellationToken.None) ?? throw new ArgumentException($"There is no '{name}'.", nameof(name))).Content.ToArray();
        content[content.Length / 2] ^= 1;
        await store.DeleteAsync(name, CancellationToken.None);
        await store.CreateAsync(name, content, CancellationToken.None);
    }
}
