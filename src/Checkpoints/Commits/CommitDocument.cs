using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>What a blob says of commits, for whoever checks a store from outside.</summary>
/// <param name="Place">Where the commits count: a key may be committed once in each place.</param>
/// <param name="Kind">What kind of blob it is.</param>
/// <param name="Revoked">Keys whose earlier commits it takes back, with the attempt that had made it; without where it could not be read.</param>
public sealed record CommitDocument(string Place, CommitDocumentKind Kind, IReadOnlyList<(string Key, Epoch Epoch)> Commits, IReadOnlyList<(string Key, Epoch? Epoch)> Revoked)
{
    private const string Folder = "/commits/";
    private const string SegmentPrefix = "seg-";
    private const string RecordSuffix = ".json";

    /// <param name="head">Content of the log's head (<see cref="HeadOf"/>), where it has one: a record below its base does not count.</param>
    /// <returns>Null where the blob tells of no commit or is damaged.</returns>
    public static CommitDocument? Read(string name, ReadOnlyMemory<byte> content, ReadOnlyMemory<byte>? head)
    {
        var at = name.IndexOf(Folder, StringComparison.Ordinal);
        if (at < 0 || !name.EndsWith(RecordSuffix, StringComparison.Ordinal))
            return null;
        if (HeadOf(name) is null)
            return ReadRecord(name, name[..(at + Folder.Length)], content);

        if (SealedJson.Read<StageRecord>(name, content, StageRecord.CurrentSchema) is not { } part)
            return null;
        var isSegment = FileOf(name).StartsWith(SegmentPrefix, StringComparison.Ordinal);
        var counts = isSegment || head is not { } newest || SealedJson.Read<StageHead>(name, newest, StageHead.CurrentSchema) is not { } known || part.From >= known.Base;
        return new CommitDocument(
            name[..(name.LastIndexOf('/') + 1)],
            isSegment ? CommitDocumentKind.Segment : CommitDocumentKind.LogRecord,
            counts ? [.. Enumerable.Range(0, part.Commits.Count).Select(unit => (Convert.ToHexStringLower(part.Commits.KeyOf(unit)), part.Commits.EpochOf(unit)))] : [],
            counts ? [.. part.Revoked.Select(r => (r.Key, (Epoch?)r.Epoch))] : []);
    }

    private static CommitDocument? ReadRecord(string name, string place, ReadOnlyMemory<byte> content)
    {
        if (DocumentName.Parse(name) is not { } document)
            return null;
        if (document.IsRevocation)
        {
            return SealedJson.Read<RecordRevocation>(name, content, RecordRevocation.CurrentSchema) is { } revocation
                ? new CommitDocument(place, CommitDocumentKind.Revocation, [], [(revocation.Key, revocation.Epoch)])
                : null;
        }

        return SealedJson.Read<CommitRecord>(name, content, CommitRecord.CurrentSchema) is { } record
            ? new CommitDocument(place, CommitDocumentKind.Record, [(record.Key, record.Epoch)], [])
            : null;
    }

    /// <summary>The head of the log that a blob is part of; null where it is part of none.</summary>
    public static string? HeadOf(string name)
    {
        // {place}/commits/{k}/{key}.json is a record of one unit, {place}/commits/{k}/{stage}/{file} part of a stage's log.
        var at = name.IndexOf(Folder, StringComparison.Ordinal);
        return at >= 0 && name[(at + Folder.Length)..].Count(c => c == '/') == 2 ? name[..(name.LastIndexOf('/') + 1)] + BlobNames.LogHead : null;
    }

    private static string FileOf(string name) => name[(name.LastIndexOf('/') + 1)..];
}

public enum CommitDocumentKind
{
    /// <summary>One unit, under its key.</summary>
    Record = 1,

    /// <summary>One append to a stage's log.</summary>
    LogRecord = 2,

    /// <summary>Takes back the record of one unit.</summary>
    Revocation = 4,

    /// <summary>Sealed, in the place of records: it repeats them.</summary>
    Segment = 3,
}
