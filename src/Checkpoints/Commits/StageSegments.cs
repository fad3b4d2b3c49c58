using System.Globalization;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>A stage's segments as their names tell them.</summary>
internal static class StageSegments
{
    /// <summary>Segments that together cover the log from its beginning, the longest at each place.</summary>
    public static async Task<IReadOnlyList<SegmentRef>> ChainAsync(IBlobStore store, JobScope scope, string stage, CancellationToken cancellationToken)
    {
        var found = new List<SegmentRef>();
        await foreach (var entry in store.ListAsync(BlobNames.StageFolder(scope, stage), cancellationToken))
        {
            if (Parse(entry.Name, entry.Length) is { } segment)
                found.Add(segment);
        }

        var chain = new List<SegmentRef>();
        foreach (var segment in found.OrderBy(s => s.From).ThenByDescending(s => s.To))
        {
            // One of the same range may be the sound copy of a damaged one; both are read.
            if (chain.Count == 0 || segment.From > chain[^1].To || (segment.From == chain[^1].From && segment.To == chain[^1].To))
                chain.Add(segment);
        }

        return chain;
    }

    /// <returns>Null where the name is not that of a segment.</returns>
    public static SegmentRef? Parse(string name, long length)
    {
        const string Prefix = "seg-", Suffix = ".json";
        var last = name[(name.LastIndexOf('/') + 1)..];
        if (!last.StartsWith(Prefix, StringComparison.Ordinal) || !last.EndsWith(Suffix, StringComparison.Ordinal))
            return null;
        var parts = last[Prefix.Length..^Suffix.Length].Split('-');
        return parts.Length == 3 &&
            long.TryParse(parts[0], NumberStyles.None, CultureInfo.InvariantCulture, out var from) &&
            long.TryParse(parts[1], NumberStyles.None, CultureInfo.InvariantCulture, out var to)
            ? new SegmentRef(from, to, parts[2], (int)Math.Min(length, int.MaxValue))
            : null;
    }
}
