using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Audit;

/// <summary>What a blob is, as its name tells.</summary>
public enum StoredKind
{
    Foreign,
    Input,
    Output,
    State,
    Commit,
    Revocation,
    LogRecord,
    LogSegment,
    LogHead,
    Plan,
    Generation,
    End,
    Manifest,
    GrainState,
    Quarantined,
    ServerHead,
    JobHead,
    JobLog,
}

/// <summary>A blob's name taken apart. The counterpart of <see cref="BlobNames"/>.</summary>
/// <param name="Scope">Whose it is; the job is empty where all jobs of the tenant share it.</param>
/// <param name="Subject">Digest of an input, key of a unit or a stage; empty for others.</param>
public sealed record StoredName(StoredKind Kind, JobScope Scope, string Subject)
{
    private const string Json = ".json";

    public static StoredName Of(string name)
    {
        var parts = name.Split('/');
        var tenant = parts[0];
        var shared = new JobScope(tenant, "", 0);
        if (tenant == BlobNames.Cluster && BlobName.IsHead(name) && OfCluster(name, parts) is { } head)
            return head;
        return parts.Length < 3 ? new StoredName(StoredKind.Foreign, shared, "") : parts[1] switch
        {
            "inputs" when parts.Length == 3 && IsDigest(parts[2]) => new StoredName(StoredKind.Input, shared, parts[2]),
            "attempts" when BlobNames.ProducerOf(name) is var (key, _) && IsDigest(key) => new StoredName(StoredKind.Output, shared, key),
            "states" when parts.Length == 5 && IsDigest(parts[3]) && parts[4].Split('-') is [var generation, var number] && int.TryParse(generation, out _) && int.TryParse(number, out _) => new StoredName(StoredKind.State, shared, parts[3]),
            "commits" => OfCommit(parts.AsSpan(2), shared),
            "quarantine" => new StoredName(StoredKind.Quarantined, shared, parts[2]),
            "grains" when BlobName.IsHead(name) => new StoredName(StoredKind.GrainState, shared, ""),
            "jobs" => OfJob(parts, tenant),
            _ => new StoredName(StoredKind.Foreign, shared, ""),
        };
    }

    private static StoredName? OfCluster(string name, string[] parts) => parts switch
    {
        _ when name == BlobNames.ServerHead => new StoredName(StoredKind.ServerHead, new JobScope(parts[0], "", 0), ""),
        [_, "jobs", var tenant, var job] => new StoredName(StoredKind.JobHead, new JobScope(tenant, job[..^BlobName.HeadSuffix.Length], 0), ""),
        [_, "logs", var tenant, var job] => new StoredName(StoredKind.JobLog, new JobScope(tenant, job[..^BlobName.HeadSuffix.Length], 0), ""),
        _ => null,
    };

    private static StoredName OfJob(string[] parts, string tenant)
    {
        const int GenerationAt = 3;
        var scope = new JobScope(tenant, parts[2], 0);
        if (parts.Length == 4 && DocumentName.Parse(parts[GenerationAt]) is { Stem: "plan", IsRevocation: false })
            return new StoredName(StoredKind.Plan, scope, "");
        if (parts.Length == 4 && parts[GenerationAt] == $"generation{BlobName.HeadSuffix}")
            return new StoredName(StoredKind.Generation, scope, "");
        if (parts.Length < 6 || parts[GenerationAt][0] != 'g' || !int.TryParse(parts[GenerationAt].AsSpan(1), out var generation))
            return new StoredName(StoredKind.Foreign, scope, "");
        scope = scope with { Generation = generation };
        return parts[GenerationAt + 1] switch
        {
            "ends" when parts[^1].EndsWith(Json, StringComparison.Ordinal) => new StoredName(StoredKind.End, scope, ""),
            "manifests" when parts[^1].EndsWith(Json, StringComparison.Ordinal) => new StoredName(StoredKind.Manifest, scope, ""),
            "commits" => OfCommit(parts.AsSpan(GenerationAt + 2), scope),
            _ => new StoredName(StoredKind.Foreign, scope, ""),
        };
    }

    /// <param name="parts">What comes after <c>commits/</c>.</param>
    private static StoredName OfCommit(ReadOnlySpan<string> parts, JobScope scope)
    {
        if (parts.Length == 2 && DocumentName.Parse(parts[1]) is { } document && IsDigest(document.Stem))
            return new StoredName(document.IsRevocation ? StoredKind.Revocation : StoredKind.Commit, scope, document.Stem);
        if (parts.Length != 3 || !IsDigest(parts[1]))
            return new StoredName(StoredKind.Foreign, scope, "");
        var kind = BlobName.IsHead(parts[2]) ? StoredKind.LogHead
            : Commits.StageSegments.Parse(parts[2], 0) is not null ? StoredKind.LogSegment
            : parts[2].EndsWith(Json, StringComparison.Ordinal) && long.TryParse(parts[2].AsSpan(0, parts[2].Length - Json.Length), out _) ? StoredKind.LogRecord
            : StoredKind.Foreign;
        return new StoredName(kind, scope, parts[1]);
    }

    private static bool IsDigest(string text) => text.Length == 64 && text.All(char.IsAsciiHexDigitLower);
}
