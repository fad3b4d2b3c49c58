using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>Consecutive parts of a log as fewer, larger ones that say the same. Pure.</summary>
internal static class StageMerge
{
    /// <param name="parts">In order; one without content was damaged and stands for nothing.</param>
    /// <param name="maxBytes">What a merged part may take at most, unless a single part takes more.</param>
    public static IEnumerable<StageRecord> Merge(string stage, IEnumerable<(long From, long To, StageRecord? Content)> parts, int maxBytes)
    {
        var gathered = new List<StageRecord>();
        var (from, to, bytes) = (-1L, -1L, 0);
        foreach (var part in parts)
        {
            var size = part.Content is { } content ? Net([content]).StoredBytes : 0;
            if (from >= 0 && bytes + size > maxBytes)
            {
                yield return Net(gathered).Make(stage, from, to);
                gathered.Clear();
                (from, bytes) = (-1, 0);
            }

            from = from < 0 ? part.From : from;
            to = part.To;
            bytes += size;
            if (part.Content is not null)
                gathered.Add(part.Content);
        }

        if (from >= 0)
            yield return Net(gathered).Make(stage, from, to);
    }

    /// <summary>What is left of the parts: every revocation, since the commit may be in an earlier part, and the commits that stand.</summary>
    private static StageBatch Net(IReadOnlyList<StageRecord> parts)
    {
        var batch = new StageBatch();
        var revoked = new HashSet<Revocation>();
        foreach (var revocation in parts.SelectMany(p => p.Revoked).Where(revoked.Add))
            batch.Add(revocation);
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var part in parts)
        {
            var extras = new Dictionary<int, int>();
            for (var i = 0; i < part.Commits.Count; i++)
            {
                var key = Convert.ToHexStringLower(part.Commits.KeyOf(i));
                if (!revoked.Contains(new Revocation(key, part.Commits.EpochOf(i))) && seen.Add(key))
                    batch.Add(part.Commits, i, extras);
            }
        }

        return batch;
    }
}
