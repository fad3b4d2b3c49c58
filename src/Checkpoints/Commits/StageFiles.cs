using System.Security.Cryptography;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>The blobs of one stage's log: records, segments, head; reading, appending and compacting them.</summary>
/// <remarks>
/// A compaction creates segments, then replaces the head, then deletes what the segments stand for. A crash in between leaves either
/// segments that no head names or records that no reader looks at: garbage, never a loss.
/// </remarks>
internal sealed class StageFiles(IBlobStore store, JobScope scope, string stage)
{
    /// <summary>Records of the tail above which they are compacted: a fold reads at most about so many small blobs a stage.</summary>
    public const int MaxTail = 64;

    private const int DigestLength = 16;
    private const int SafeBytes = StageRecord.MaxBytes - (1 << 14);

    private readonly List<string> _damaged = [];
    private readonly List<string> _missing = [];
    private readonly HashSet<string> _parts = new(StringComparer.Ordinal);
    private long _base;
    private long _end;
    private bool _mustHeal;

    public IReadOnlyList<string> Damaged => _damaged;

    public IReadOnlyList<string> Missing => _missing;

    /// <summary>Blobs that count as of the last read.</summary>
    public IReadOnlyCollection<string> Parts => _parts;

    public bool NeedsCompaction => _mustHeal || _end - _base >= MaxTail;

    /// <summary>Reads the log from a place on.</summary>
    /// <param name="apply">Gets every part that may say something new, in order.</param>
    /// <returns>The first free place.</returns>
    public async Task<long> ReadAsync(long next, Action<StageRecord> apply, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (head, etag) = await ReadHeadAsync(cancellationToken);
            var changed = false;
            foreach (var segment in head.Segments.Where(s => s.To >= next).ToArray())
            {
                var content = await ReadSegmentAsync(segment, cancellationToken);
                // A segment that is gone was compacted into a larger one, which the newer head names.
                changed = content is null && await IsReplacedAsync(etag, cancellationToken);
                if (changed)
                    break;
                if (content is not null)
                    apply(content);
                else
                    Lost(BlobNames.StageSegment(scope, stage, segment));
                _parts.Add(BlobNames.StageSegment(scope, stage, segment));
                next = segment.To + 1;
            }

            if (changed)
                continue;
            next = Math.Max(next, head.Base);
            var tail = new List<StageRecord>();
            var end = next;
            for (; await store.ReadAsync(BlobNames.StageRecord(scope, stage, end), cancellationToken) is { } blob; end++)
                tail.Add(await SoundAsync(BlobNames.StageRecord(scope, stage, end), blob, end, end, cancellationToken) ?? Nothing(end));
            // A tail counts only under the head it was found under: records may have been compacted and their numbers created anew meanwhile.
            if (await IsReplacedAsync(etag, cancellationToken))
                continue;
            tail.ForEach(apply);
            _parts.UnionWith(tail.Select(t => BlobNames.StageRecord(scope, stage, t.From)));
            (_base, _end) = (head.Base, end);
            return end;
        }
    }

    /// <returns>False where the number is taken.</returns>
    public async Task<bool> CreateAsync(StageRecord record, CancellationToken cancellationToken)
    {
        var created = await store.CreateAsync(BlobNames.StageRecord(scope, stage, record.From), SealedJson.Write(record, StageRecord.CurrentSchema), cancellationToken);
        if (created)
            _end = Math.Max(_end, record.From + 1);
        return created;
    }

    /// <summary>Whether a number lies below the head's base, so that a record created there now does not count.</summary>
    public async Task<bool> IsCompactedAsync(long number, CancellationToken cancellationToken)
    {
        var (head, _) = await ReadHeadAsync(cancellationToken);
        return head.Base > number;
    }

    /// <summary>Puts segments in the place of records, and larger segments in the place of small ones. Does nothing where another is at it.</summary>
    /// <param name="end">The first free place as far as is known.</param>
    public async Task CompactAsync(long end, CancellationToken cancellationToken)
    {
        var (head, etag) = await ReadHeadAsync(cancellationToken);
        var parts = new List<Part>();
        var records = new List<string>();
        for (var at = head.Base; at < end; at++)
        {
            var name = BlobNames.StageRecord(scope, stage, at);
            if (await store.ReadAsync(name, cancellationToken) is not { } blob)
                break;
            records.Add(name);
            parts.Add(new Part(at, at, blob.Content.Length, await SoundAsync(name, blob, at, at, cancellationToken)));
        }

        // What is damaged stands for nothing any more; a copy is kept for a look.
        var sound = head.Segments.Where(segment => !IsLost(segment)).ToArray();
        if (parts.Count == 0 && sound.Length == head.Segments.Count)
        {
            _mustHeal = false;
            return;
        }

        var next = sound.Take(await AbsorbAsync(sound, parts, cancellationToken)).ToList();
        foreach (var segment in StageMerge.Merge(stage, parts.Select(p => (p.From, p.To, p.Content)), SafeBytes))
            next.Add(await WriteSegmentAsync(segment, cancellationToken));
        var replaced = new StageHead(parts.Count == 0 ? head.Base : parts[^1].To + 1, next);
        if (await store.ReplaceAsync(BlobNames.StageHead(scope, stage), SealedJson.Write(replaced, StageHead.CurrentSchema), etag, cancellationToken) is null)
            return;
        (_base, _mustHeal) = (replaced.Base, false);
        foreach (var name in records)
            await store.DeleteAsync(name, cancellationToken);
        foreach (var segment in head.Segments.Where(o => !next.Contains(o)))
            await store.DeleteAsync(BlobNames.StageSegment(scope, stage, segment), cancellationToken);
    }

    private async Task<bool> IsReplacedAsync(string? etag, CancellationToken cancellationToken) =>
        (await store.ReadAsync(BlobNames.StageHead(scope, stage), cancellationToken))?.ETag != etag;

    /// <summary>Takes segments from the end that are small beside what follows them, so that every unit is rewritten a logarithmic number of times.</summary>
    /// <returns>How many segments stay.</returns>
    private async Task<int> AbsorbAsync(SegmentRef[] segments, List<Part> parts, CancellationToken cancellationToken)
    {
        var first = segments.Length;
        for (var size = parts.Sum(p => p.Bytes); first > 0 && segments[first - 1].Bytes <= size && size + segments[first - 1].Bytes <= SafeBytes; first--)
            size += segments[first - 1].Bytes;
        var absorbed = new List<Part>();
        foreach (var segment in segments.Skip(first))
            absorbed.Add(new Part(segment.From, segment.To, segment.Bytes, await ReadSegmentAsync(segment, cancellationToken)));
        parts.InsertRange(0, absorbed);
        return first;
    }

    private bool IsLost(SegmentRef segment)
    {
        var name = BlobNames.StageSegment(scope, stage, segment);
        return _damaged.Contains(name) || _missing.Contains(name);
    }

    private async Task<SegmentRef> WriteSegmentAsync(StageRecord segment, CancellationToken cancellationToken)
    {
        var content = SealedJson.Write(segment, StageRecord.CurrentSchema);
        var reference = new SegmentRef(segment.From, segment.To, Convert.ToHexStringLower(SHA256.HashData(content))[..DigestLength], content.Length);
        var name = BlobNames.StageSegment(scope, stage, reference);
        // Taken means that the same segment is there already, or a damaged one under its name.
        if (!await store.CreateAsync(name, content, cancellationToken) && await ReadSegmentAsync(reference, cancellationToken) is null)
        {
            await store.DeleteAsync(name, cancellationToken);
            await store.CreateAsync(name, content, cancellationToken);
        }

        return reference;
    }

    private async Task<StageRecord?> ReadSegmentAsync(SegmentRef segment, CancellationToken cancellationToken)
    {
        var name = BlobNames.StageSegment(scope, stage, segment);
        if (await store.ReadAsync(name, cancellationToken) is { } blob)
            return await SoundAsync(name, blob, segment.From, segment.To, cancellationToken);
        return null;
    }

    /// <returns>Null where the document is damaged: then it is told, kept for a look and compacted away.</returns>
    private async Task<StageRecord?> SoundAsync(string name, Blob blob, long from, long to, CancellationToken cancellationToken)
    {
        if (SealedJson.Read<StageRecord>(name, blob.Content, StageRecord.CurrentSchema) is { } record &&
            record.Stage == stage && record.From == from && record.To == to && record.Commits.AreWhole())
        {
            return record;
        }

        _mustHeal = true;
        if (!_damaged.Contains(name))
        {
            _damaged.Add(name);
            store.NoteDamage(name);
            await store.CreateAsync(BlobNames.QuarantinedPart(scope, stage, name), blob.Content, cancellationToken);
        }

        return null;
    }

    private async Task<(StageHead Head, string? ETag)> ReadHeadAsync(CancellationToken cancellationToken)
    {
        var name = BlobNames.StageHead(scope, stage);
        if (await store.ReadAsync(name, cancellationToken) is not { } blob)
            return (StageHead.Empty, null);
        if (SealedJson.Read<StageHead>(name, blob.Content, StageHead.CurrentSchema) is { } head)
            return (head, blob.ETag);
        // A head only repeats what the names of the segments say.
        var found = await StageSegments.ChainAsync(store, scope, stage, cancellationToken);
        var renewed = new StageHead(found.Count == 0 ? 0 : found[^1].To + 1, found);
        return (renewed, await store.ReplaceAsync(name, SealedJson.Write(renewed, StageHead.CurrentSchema), blob.ETag, cancellationToken) ?? blob.ETag);
    }

    private void Lost(string segment)
    {
        _mustHeal = true;
        if (!_damaged.Contains(segment))
            _missing.Add(segment);
    }

    private StageRecord Nothing(long at) => new(stage, at, at, StageColumns.Create([], 0), []);

    private sealed record Part(long From, long To, int Bytes, StageRecord? Content);
}
