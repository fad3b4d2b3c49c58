using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.TestKit.Stores;

/// <summary>What a failing disk does to a blob.</summary>
public enum Damage
{
    FlippedFirst,
    FlippedMiddle,
    FlippedLast,
    Truncated,
    Emptied,
}

/// <summary>Blobs damaged from outside.</summary>
public static class Damages
{
    public static IReadOnlyList<Damage> All { get; } = Enum.GetValues<Damage>();

    /// <summary>Damages a blob or the newest version of a head. An empty blob can only be made longer.</summary>
    public static async Task DamageAsync(this IBlobStore store, string name, Damage damage)
    {
        var blob = await store.ReadAsync(name, CancellationToken.None) ?? throw new ArgumentException($"There is no '{name}'.", nameof(name));
        var content = Apply(blob.Content.ToArray(), damage);
        if (BlobName.IsHead(name))
        {
            await store.ReplaceAsync(name, content, blob.ETag, CancellationToken.None);
            return;
        }

        await store.DeleteAsync(name, CancellationToken.None);
        await store.CreateAsync(name, content, CancellationToken.None);
    }

    private static byte[] Apply(byte[] content, Damage damage)
    {
        if (content.Length == 0)
            return [0];
        switch (damage)
        {
            case Damage.Truncated:
                return content[..(content.Length / 2)];
            case Damage.Emptied:
                return [];
            default:
                var at = damage switch { Damage.FlippedFirst => 0, Damage.FlippedMiddle => content.Length / 2, _ => content.Length - 1 };
                content[at] ^= 1;
                return content;
        }
    }
}
