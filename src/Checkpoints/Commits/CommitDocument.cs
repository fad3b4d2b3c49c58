using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>What a blob says of commits, for whoever checks a store from outside.</summary>
/// <param name="Place">Where the commits count: a key may be committed once in each place.</param>
/// <param name="IsLog">Part of a log: the commits stand after the blob is gone, since segments repeat them.</param>
public sealed record CommitDocument(string Place, bool IsLog, IReadOnlyList<(string Key, Epoch Epoch)> Commits, IReadOnlyList<string> Revoked)
{
    /// <returns>Null where the blob is no commit record or is damaged.</returns>
    public static CommitDocument? Read(string name, ReadOnlyMemory<byte> content)
    {
        const string Folder = "/commits/";
        var at = name.IndexOf(Folder, StringComparison.Ordinal);
        return at >= 0 && SealedJson.Read<CommitRecord>(name, content, CommitRecord.CurrentSchema) is { } record
            ? new CommitDocument(name[..(at + Folder.Length)], IsLog: false, [(record.Key, record.Epoch)], [])
            : null;
    }
}
