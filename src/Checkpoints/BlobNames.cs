using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>The only place that knows what blobs are called. Every name starts with the tenant.</summary>
/// <remarks>
/// <c>{tenant}/inputs/{sha}</c> models and data · <c>{tenant}/attempts/{k}/{key}/{attempt}/{role}</c> outputs ·
/// <c>{tenant}/states/{k}/{key}/{generation}-{n}</c> states of long units on their way ·
/// <c>{tenant}/commits/{k}/{key}.json</c> commit records, <c>{tenant}/commits/{k}/{stage}/</c> a stage's log of records, segments and head,
/// both of a later generation below <c>{tenant}/jobs/{job}/g{n}/commits/</c> ·
/// <c>{tenant}/jobs/{job}/</c> plan, generation, ends, manifests · <c>{tenant}/grains/</c> state ·
/// <c>{tenant}/quarantine/</c> parts of logs set aside · <c>cluster/server.head</c>, <c>cluster/jobs/{tenant}/{job}.head</c>,
/// <c>cluster/logs/{tenant}/{job}.head</c> who is active, what jobs shall do, lines of their logs. Two hex digits of the key spread folders. Documents that are written anew: <see cref="DocumentName"/>.
/// </remarks>
public static class BlobNames
{
    internal const string LogHead = "log" + BlobName.HeadSuffix;

    /// <summary>Takes a tenant's place in the names of what belongs to the servers, and is no tenant's name.</summary>
    public const string Cluster = "cluster";

    /// <summary>Which server is the active one.</summary>
    public const string ServerHead = $"{Cluster}/server{BlobName.HeadSuffix}";

    internal const string JobHeads = $"{Cluster}/jobs/";

    private const int SpreadLength = 2;

    /// <summary>Parts of an output's name before its role.</summary>
    private const int RoleAt = 5;

    /// <summary>Whose blob it is.</summary>
    public static string TenantOf(string name) => name[..name.IndexOf('/')];

    public static string Input(string tenant, string sha256) => $"{tenant}/inputs/{sha256}";

    /// <summary>What an attempt puts before the roles of its outputs.</summary>
    public static string OutputPrefix(string tenant, string key, Epoch epoch) => $"{tenant}/attempts/{key[..SpreadLength]}/{key}/{epoch.Attempt}";

    /// <summary>What all states of a unit lie below.</summary>
    public static string StatePrefix(string tenant, string key) => $"{tenant}/states/{key[..SpreadLength]}/{key}";

    public static string State(string prefix, int generation, int number) => $"{prefix}/{generation}-{number:D6}";

    public static string Output(string prefix, string role) => $"{prefix}/{role}";

    /// <summary>The role that an output's name tells.</summary>
    public static string RoleOf(string output) => string.Join('/', output.Split('/').Skip(RoleAt));

    /// <summary>The unit and the attempt that an output's name tells; null for any other blob.</summary>
    public static (string Key, Epoch Epoch)? ProducerOf(string output)
    {
        const int AttemptsAt = 1, KeyAt = 3, EpochAt = 4;
        var parts = output.Split('/');
        if (parts.Length <= EpochAt + 1 || parts[AttemptsAt] != "attempts")
            return null;
        var epoch = parts[EpochAt].Split('-');
        return epoch.Length == 2 && long.TryParse(epoch[0], out var term) && long.TryParse(epoch[1], out var counter)
            ? (parts[KeyAt], new Epoch(term, counter))
            : null;
    }

    /// <summary>The first commit record of a unit.</summary>
    public static string Commit(JobScope scope, string key) => new DocumentName(CommitStem(scope, key), 0, IsRevocation: false).ToString();

    internal static string CommitStem(JobScope scope, string key) => $"{Commits(scope)}{key[..SpreadLength]}/{key}";

    /// <summary>Everything of a stage's log.</summary>
    /// <param name="stage">The stage's key.</param>
    public static string StageFolder(JobScope scope, string stage) => $"{Commits(scope)}{stage[..SpreadLength]}/{stage}/";

    public static string StageRecord(JobScope scope, string stage, long number) => $"{StageFolder(scope, stage)}{number:D12}.json";

    internal static string StageSegment(JobScope scope, string stage, SegmentRef segment) =>
        $"{StageFolder(scope, stage)}seg-{segment.From:D12}-{segment.To:D12}-{segment.Digest}.json";

    public static string StageHead(JobScope scope, string stage) => $"{StageFolder(scope, stage)}{LogHead}";

    public static string Commits(JobScope scope) =>
        scope.Generation == 0 ? $"{scope.Tenant}/commits/" : $"{Generation(scope)}/commits/";

    /// <param name="part">Name of the damaged record or segment.</param>
    public static string QuarantinedPart(JobScope scope, string stage, string part) => $"{scope.Tenant}/quarantine/{stage}/{part[(part.LastIndexOf('/') + 1)..]}";

    public static string Plan(string tenant, string jobId) => $"{tenant}/jobs/{jobId}/plan.json";

    public static string GenerationHead(string tenant, string jobId) => $"{tenant}/jobs/{jobId}/generation{BlobName.HeadSuffix}";

    public static string Ends(JobScope scope) => $"{Generation(scope)}/ends/";

    public static string End(JobScope scope, int run) => $"{Ends(scope)}{run:D6}.json";

    public static string Manifest(JobScope scope, string sha256) => $"{Generation(scope)}/manifests/{sha256}.json";

    /// <summary>What a job of the cluster shall do.</summary>
    public static string JobHead(string tenant, string jobId) => $"{JobHeads}{tenant}/{jobId}{BlobName.HeadSuffix}";

    /// <summary>The newest lines of a job's log.</summary>
    public static string JobLog(string tenant, string jobId) => $"{Cluster}/logs/{tenant}/{jobId}{BlobName.HeadSuffix}";

    /// <param name="grain">Kind and key of the grain, for example <c>layer/3f…/4</c>.</param>
    public static string GrainState(string tenant, string grain) => $"{tenant}/grains/{grain}{BlobName.HeadSuffix}";

    private static string Generation(JobScope scope) => $"{scope.Tenant}/jobs/{scope.JobId}/g{scope.Generation}";
}
