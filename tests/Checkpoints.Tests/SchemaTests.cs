using System.Security.Cryptography;
using System.Text;
using System.Text.Json;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests;

/// <summary>
/// Every document that a store keeps, byte for byte: a change here is a change of the format, which earlier stores must survive and which
/// raises the schema version. A newer version is refused by name.
/// </summary>
public sealed class SchemaTests
{
    private const string Project = "Checkpoints.Tests";
    private const string Tenant = "local";

    private static readonly string s_key = SampleJobs.Digest('e');
    private static readonly string s_stage = SampleJobs.Digest('5');
    private static readonly JobScope s_scope = new(Tenant, SampleJobs.Plan().ComputeJobId(), 1);

    private static readonly JobPlan s_tuned = SampleJobs.Plan(
        new ExactObsStep(0.5), new ReconstructStep("brecq", 4) { Granularity = Granularity.Block, Iterations = 20_000, ActivationBits = 4 });

    private readonly MemoryBlobStore _blobs = new();

    private CheckpointStore Store => new(_blobs);

    public static TheoryData<string> Documents => new() { "plan", "tuned-plan", "generation", "commit", "revocation", "record", "segment", "log", "end", "manifest", "state" };

    /// <summary>Without revocations, which count by being there: nothing in them can be too new to be understood.</summary>
    public static TheoryData<string> Refused => new() { "plan", "tuned-plan", "generation", "commit", "record", "segment", "log", "end", "manifest", "state" };

    [Theory]
    [MemberData(nameof(Documents))]
    public async Task A_document_is_written_as_it_always_was(string document)
    {
        var name = await WriteAsync(document);

        GoldenFile.MatchesJson(Project, $"{document}.json", (await _blobs.ReadAsync(name, CancellationToken.None))!.Content);
    }

    [Theory]
    [MemberData(nameof(Refused))]
    public async Task A_document_of_a_newer_version_is_refused_by_its_name(string document)
    {
        var name = await WriteAsync(document);
        var blob = (await _blobs.ReadAsync(name, CancellationToken.None))!;
        using var parsed = JsonDocument.Parse(blob.Content);
        var body = parsed.RootElement.GetProperty("body").GetRawText();
        // Plans are written with the oldest schema that says all of them.
        var newer = 1 + (document == "plan" ? JobPlan.CurrentSchema : parsed.RootElement.GetProperty("schema").GetInt32());
        var digest = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes($"{newer}\n{body}")));
        var content = Encoding.UTF8.GetBytes($$"""{"body":{{body}},"schema":{{newer}},"sha256":"{{digest}}"}""");
        if (BlobName.IsHead(name))
        {
            await _blobs.ReplaceAsync(name, content, blob.ETag, CancellationToken.None);
        }
        else
        {
            await _blobs.DeleteAsync(name, CancellationToken.None);
            await _blobs.CreateAsync(name, content, CancellationToken.None);
        }

        var refused = await Assert.ThrowsAsync<InputException>(() => ReadAsync(document));

        Assert.Equal(("store-newer", name), (refused.Code, refused.Subject));
        Assert.Equal(content, (await _blobs.ReadAsync(name, CancellationToken.None))!.Content.ToArray());
    }

    /// <summary>Writes a document the way the product does.</summary>
    private async Task<string> WriteAsync(string document)
    {
        switch (document)
        {
            case "plan":
                await Store.WritePlanAsync(Tenant, SampleJobs.Plan(), CancellationToken.None);
                return BlobNames.Plan(Tenant, SampleJobs.Plan().ComputeJobId());
            case "tuned-plan":
                await Store.WritePlanAsync(Tenant, s_tuned, CancellationToken.None);
                return BlobNames.Plan(Tenant, s_tuned.ComputeJobId());
            case "generation":
                await Store.BeginFreshAsync(Tenant, s_scope.JobId, CancellationToken.None);
                return BlobNames.GenerationHead(Tenant, s_scope.JobId);
            case "commit":
                await Store.CommitAsync(s_scope, Commit(0).Record with { Key = s_key }, CancellationToken.None);
                return BlobNames.Commit(s_scope, s_key);
            case "revocation":
                await WriteAsync("commit");
                await Store.InvalidateAsync(s_scope, s_key, Commit(0).Record.Epoch, CancellationToken.None);
                return Assert.Single(await _blobs.NamesAsync(BlobNames.Commits(s_scope)), n => n.Contains("revoked", StringComparison.Ordinal));
            case "record":
                await (await OpenAsync()).CommitAsync([Commit(0), Commit(1)], CancellationToken.None);
                return BlobNames.StageRecord(s_scope, s_stage, 0);
            case "segment" or "log":
                var log = await OpenAsync();
                for (var i = 0; i < StageFiles.MaxTail; i++)
                    await log.CommitAsync([Commit(i)], CancellationToken.None);
                if (document == "log")
                    return BlobNames.StageHead(s_scope, s_stage);
                await foreach (var entry in _blobs.ListAsync(BlobNames.StageFolder(s_scope, s_stage) + "seg-", CancellationToken.None))
                    return entry.Name;
                throw new InvalidOperationException("No segment was written.");
            case "end" or "manifest":
                var model = new BlobRef($"{Tenant}/attempts/aa/{SampleJobs.Digest('a')}/1-9/model", SampleJobs.Digest('b'), 1_000);
                var end = await Store.EndAsync(s_scope, 2, JobStatus.GoalMissed, "why", new Manifest("plan", model, 3, "fold"), CancellationToken.None);
                return document == "end" ? BlobNames.End(s_scope, 2) : end.Manifest.Name;
            case "state":
                await new GrainStateStore(_blobs, "writer").UpdateAsync<Counter>(Tenant, "scheduler", _ => new Counter(7), CancellationToken.None);
                return BlobNames.GrainState(Tenant, "scheduler");
            default:
                throw new ArgumentOutOfRangeException(nameof(document), document, "no such document");
        }
    }

    private async Task ReadAsync(string document)
    {
        switch (document)
        {
            case "plan":
                await Store.ReadPlanAsync(Tenant, s_scope.JobId, CancellationToken.None);
                break;
            case "tuned-plan":
                await Store.ReadPlanAsync(Tenant, s_tuned.ComputeJobId(), CancellationToken.None);
                break;
            case "generation":
                await Store.ReadScopeAsync(Tenant, s_scope.JobId, CancellationToken.None);
                break;
            case "commit":
                await Store.ReadCommitAsync(s_scope, s_key, CancellationToken.None);
                break;
            case "record" or "segment" or "log":
                await OpenAsync();
                break;
            case "end":
                await Store.ReadLastEndAsync(s_scope, CancellationToken.None);
                break;
            case "manifest":
                await Store.ReadManifestAsync((await Store.ReadLastEndAsync(s_scope, CancellationToken.None))!, CancellationToken.None);
                break;
            default:
                await new GrainStateStore(_blobs, "writer").ReadAsync<Counter>(Tenant, "scheduler", CancellationToken.None);
                break;
        }
    }

    private Task<StageLog> OpenAsync() => Store.OpenStageAsync(s_scope, s_stage, StageFiles.MaxTail, CancellationToken.None);

    private static StageCommit Commit(int unit)
    {
        var (key, epoch) = (CanonicalJson.Digest(unit), new Epoch(3, unit + 1));
        var prefix = BlobNames.OutputPrefix(Tenant, key, epoch);
        UnitOutput[] outputs = [.. new[] { Roles.Weights, Roles.Codes }.Select(r => new UnitOutput(r, new BlobRef(BlobNames.Output(prefix, r), SampleJobs.Digest('f'), 100)))];
        var metrics = new UnitMetrics { Loss = 1.5 * unit, Weights = 64, Seconds = 0.25, Rescues = [new Rescue("/conv", "dead-columns", "3 of 9")] };
        return new StageCommit(new CommitRecord(key, $"layer/0/step/0/rows/{unit}-{unit}", UnitKind.Rows, epoch, outputs, metrics), unit, 1);
    }

    private sealed record Counter(int Value);
}
