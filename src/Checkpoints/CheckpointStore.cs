using System.Security.Cryptography;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>The truth about jobs, typed: plans, generations, commits and ends over a blob store. For the coordinator; workers get <see cref="TensorBlobs"/>.</summary>
/// <remarks>Every method throws <see cref="InputException"/> <c>store-newer</c> where a document was written by a newer version.</remarks>
public sealed class CheckpointStore(IBlobStore store)
{
    public TensorBlobs Tensors { get; } = new(store);

    /// <summary>Keeps the plan under its job id. Anyone else's copy is the same, since the id is its digest.</summary>
    public Task WritePlanAsync(string tenant, JobPlan plan, CancellationToken cancellationToken) =>
        WriteOnceAsync(BlobNames.Plan(tenant, plan.ComputeJobId()), plan, plan.Schema, cancellationToken);

    /// <returns>Null where there is none or it is damaged.</returns>
    public async Task<JobPlan?> ReadPlanAsync(string tenant, string jobId, CancellationToken cancellationToken) =>
        await ReadOnceAsync<JobPlan>(BlobNames.Plan(tenant, jobId), JobPlan.CurrentSchema, cancellationToken);

    /// <summary>The newest generation of a job's commits.</summary>
    public async Task<JobScope> ReadScopeAsync(string tenant, string jobId, CancellationToken cancellationToken)
    {
        var (generation, _) = await ReadGenerationAsync(tenant, jobId, cancellationToken);
        return new JobScope(tenant, jobId, generation);
    }

    /// <summary>Begins a new generation: earlier commits stay where they are and are not looked at.</summary>
    public async Task<JobScope> BeginFreshAsync(string tenant, string jobId, CancellationToken cancellationToken)
    {
        while (true)
        {
            var (generation, etag) = await ReadGenerationAsync(tenant, jobId, cancellationToken);
            var next = SealedJson.Write(new GenerationHead(generation + 1), GenerationHead.CurrentSchema);
            if (await store.ReplaceAsync(BlobNames.GenerationHead(tenant, jobId), next, etag, cancellationToken) is not null)
                return new JobScope(tenant, jobId, generation + 1);
        }
    }

    /// <summary>The commits of a stage of many units, read up to now.</summary>
    /// <param name="stage">The stage's key (<see cref="UnitKeys.ComputeStage"/>).</param>
    /// <param name="expected">Units of the stage.</param>
    public async Task<StageLog> OpenStageAsync(JobScope scope, string stage, int expected, CancellationToken cancellationToken)
    {
        var log = new StageLog(store, scope, stage, expected);
        await log.RefreshAsync(cancellationToken);
        return log;
    }

    /// <returns>Null where the unit is not committed. A damaged record is revoked and counts as none.</returns>
    public async Task<CommitRecord?> ReadCommitAsync(JobScope scope, string key, CancellationToken cancellationToken) =>
        (await FindCommitAsync(scope, key, cancellationToken)).Record;

    /// <summary>Commits a unit, unless another attempt was first.</summary>
    public async Task<CommitAnswer> CommitAsync(JobScope scope, CommitRecord record, CancellationToken cancellationToken)
    {
        var content = SealedJson.Write(record, CommitRecord.CurrentSchema);
        var place = new DocumentName(BlobNames.CommitStem(scope, record.Key), 0, IsRevocation: false);
        while (true)
        {
            if (await store.CreateAsync(place.ToString(), content, cancellationToken))
                return new CommitAnswer(record, Ours: true, Diverged: false);
            // Taken: by another attempt, or by our own first try whose answer was lost. Only the record itself can tell.
            (place, var standing) = await FindCommitAsync(scope, record.Key, cancellationToken);
            if (standing is null)
                continue;
            var same = standing.HasOutputsOf(record);
            return new CommitAnswer(standing, Ours: same && standing.Epoch == record.Epoch, Diverged: !same);
        }
    }

    /// <summary>Takes back the commit whose output is damaged, so that its unit runs again. Nothing happens where another attempt stands by now.</summary>
    public async Task InvalidateAsync(JobScope scope, string key, Epoch epoch, CancellationToken cancellationToken)
    {
        var (place, standing) = await FindCommitAsync(scope, key, cancellationToken);
        if (standing?.Epoch == epoch)
            await RevokeAsync(place, key, epoch, cancellationToken);
    }

    /// <summary>The last end of a job's runs; null before the first.</summary>
    public async Task<EndRecord?> ReadLastEndAsync(JobScope scope, CancellationToken cancellationToken)
    {
        EndRecord? last = null;
        await foreach (var entry in store.ListAsync(BlobNames.Ends(scope), cancellationToken))
        {
            if (DocumentName.Parse(entry.Name) is { Number: 0 })
                last = await ReadOnceAsync<EndRecord>(entry.Name, EndRecord.CurrentSchema, cancellationToken) ?? last;
        }

        return last;
    }

    /// <summary>Ends a run, unless another process has.</summary>
    /// <returns>The end that stands.</returns>
    public async Task<EndRecord> EndAsync(JobScope scope, int run, JobStatus status, string? reason, Manifest manifest, CancellationToken cancellationToken)
    {
        // Under its digest: two processes that end one run with different statuses must not share a manifest's name.
        var name = BlobNames.Manifest(scope, CanonicalJson.Digest(manifest));
        var (kept, _) = await WriteOnceAsync(name, manifest, Manifest.CurrentSchema, cancellationToken);
        var content = SealedJson.Write(manifest, Manifest.CurrentSchema);
        var blob = new BlobRef(kept, Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
        var end = new EndRecord(manifest.Plan, run, status, reason, blob);
        return (await WriteOnceAsync(BlobNames.End(scope, run), end, EndRecord.CurrentSchema, cancellationToken)).Standing;
    }

    /// <returns>Null where there is none or it is damaged.</returns>
    public async Task<Manifest?> ReadManifestAsync(EndRecord end, CancellationToken cancellationToken) =>
        await ReadAsync<Manifest>(end.Manifest.Name, Manifest.CurrentSchema, cancellationToken);

    private async Task<T?> ReadAsync<T>(string name, int schema, CancellationToken cancellationToken)
        where T : class =>
        await store.ReadAsync(name, cancellationToken) is { } blob ? SealedJson.Read<T>(name, blob.Content, schema) : null;

    private async Task<(int Generation, string? ETag)> ReadGenerationAsync(string tenant, string jobId, CancellationToken cancellationToken)
    {
        var name = BlobNames.GenerationHead(tenant, jobId);
        if (await store.ReadAsync(name, cancellationToken) is not { } blob)
            return (0, null);
        var head = SealedJson.Read<GenerationHead>(name, blob.Content, GenerationHead.CurrentSchema) ?? throw new InputException(
            "store-damaged", name, "The blob that tells the job's generation is damaged.", "Run with --fresh on another store.");
        return (head.Generation, blob.ETag);
    }

    /// <returns>The record that stands, or the free place for the next.</returns>
    private async Task<(DocumentName Place, CommitRecord? Record)> FindCommitAsync(JobScope scope, string key, CancellationToken cancellationToken)
    {
        for (var place = new DocumentName(BlobNames.CommitStem(scope, key), 0, IsRevocation: false); ; place = place.Next)
        {
            var name = place.ToString();
            if (await store.ReadAsync(name, cancellationToken) is not { } blob)
                return (place, null);
            if (SealedJson.Read<CommitRecord>(name, blob.Content, CommitRecord.CurrentSchema) is not { } record || record.Key != key)
            {
                store.NoteDamage(name);
                await RevokeAsync(place, key, null, cancellationToken);
            }
            else if (await store.ReadAsync(place.Revocation.ToString(), cancellationToken) is null)
                return (place, record);
        }
    }

    private async Task RevokeAsync(DocumentName place, string key, Epoch? epoch, CancellationToken cancellationToken) =>
        await store.CreateAsync(place.Revocation.ToString(), SealedJson.Write(new RecordRevocation(key, epoch), RecordRevocation.CurrentSchema), cancellationToken);

    /// <summary>Writes a document unless there is a sound one.</summary>
    /// <returns>The one that stands, and its name.</returns>
    private async Task<(string Name, T Standing)> WriteOnceAsync<T>(string first, T document, int schema, CancellationToken cancellationToken)
        where T : class
    {
        var content = SealedJson.Write(document, schema);
        for (var place = DocumentName.Parse(first)!.Value; ; place = place.Next)
        {
            var name = place.ToString();
            if (await store.CreateAsync(name, content, cancellationToken))
                return (name, document);
            if (await ReadAsync<T>(name, schema, cancellationToken) is { } standing)
                return (name, standing);
        }
    }

    /// <returns>The first sound one; null where there is none.</returns>
    private async Task<T?> ReadOnceAsync<T>(string first, int schema, CancellationToken cancellationToken)
        where T : class
    {
        for (var place = DocumentName.Parse(first)!.Value; ; place = place.Next)
        {
            var name = place.ToString();
            if (await store.ReadAsync(name, cancellationToken) is not { } blob)
                return null;
            if (SealedJson.Read<T>(name, blob.Content, schema) is { } document)
                return document;
        }
    }

    internal sealed record GenerationHead(int Generation)
    {
        public const int CurrentSchema = 1;
    }
}
