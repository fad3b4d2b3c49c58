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
    public async Task WritePlanAsync(string tenant, JobPlan plan, CancellationToken cancellationToken)
    {
        var name = BlobNames.Plan(tenant, plan.ComputeJobId());
        if (!await store.CreateAsync(name, SealedJson.Write(plan, JobPlan.CurrentSchema), cancellationToken) &&
            await ReadPlanAsync(tenant, plan.ComputeJobId(), cancellationToken) is null)
        {
            await store.DeleteAsync(name, cancellationToken);
            await store.CreateAsync(name, SealedJson.Write(plan, JobPlan.CurrentSchema), cancellationToken);
        }
    }

    /// <returns>Null where there is none or it is damaged.</returns>
    public async Task<JobPlan?> ReadPlanAsync(string tenant, string jobId, CancellationToken cancellationToken) =>
        await ReadAsync<JobPlan>(BlobNames.Plan(tenant, jobId), JobPlan.CurrentSchema, cancellationToken);

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

    /// <returns>Null where the unit is not committed. A damaged record is set aside and counts as none.</returns>
    public async Task<CommitRecord?> ReadCommitAsync(JobScope scope, string key, CancellationToken cancellationToken)
    {
        var name = BlobNames.Commit(scope, key);
        if (await store.ReadAsync(name, cancellationToken) is not { } blob)
            return null;
        if (SealedJson.Read<CommitRecord>(name, blob.Content, CommitRecord.CurrentSchema) is { } record && record.Key == key)
            return record;
        await SetAsideAsync(scope, key, "unreadable", blob, cancellationToken);
        return null;
    }

    /// <summary>Commits a unit, unless another attempt was first.</summary>
    public async Task<CommitAnswer> CommitAsync(JobScope scope, CommitRecord record, CancellationToken cancellationToken)
    {
        var content = SealedJson.Write(record, CommitRecord.CurrentSchema);
        while (true)
        {
            if (await store.CreateAsync(BlobNames.Commit(scope, record.Key), content, cancellationToken))
                return new CommitAnswer(record, Ours: true, Diverged: false);
            // Taken: by another attempt, or by our own first try whose answer was lost. Only the record itself can tell.
            if (await ReadCommitAsync(scope, record.Key, cancellationToken) is not { } standing)
                continue;
            var same = standing.HasOutputsOf(record);
            return new CommitAnswer(standing, Ours: same && standing.Epoch == record.Epoch, Diverged: !same);
        }
    }

    /// <summary>Sets the commit aside whose output is damaged, so that its unit runs again. Nothing happens where another attempt stands by now.</summary>
    public async Task InvalidateAsync(JobScope scope, string key, Epoch epoch, CancellationToken cancellationToken)
    {
        var name = BlobNames.Commit(scope, key);
        if (await store.ReadAsync(name, cancellationToken) is { } blob &&
            SealedJson.Read<CommitRecord>(name, blob.Content, CommitRecord.CurrentSchema)?.Epoch == epoch)
        {
            await SetAsideAsync(scope, key, epoch.Attempt, blob, cancellationToken);
        }
    }

    /// <summary>The last end of a job's runs; null before the first.</summary>
    public async Task<EndRecord?> ReadLastEndAsync(JobScope scope, CancellationToken cancellationToken)
    {
        EndRecord? last = null;
        await foreach (var entry in store.ListAsync(BlobNames.Ends(scope), cancellationToken))
            last = await ReadAsync<EndRecord>(entry.Name, EndRecord.CurrentSchema, cancellationToken) ?? last;
        return last;
    }

    /// <summary>Ends a run, unless another process has.</summary>
    /// <returns>The end that stands.</returns>
    public async Task<EndRecord> EndAsync(JobScope scope, int run, JobStatus status, string? reason, Manifest manifest, CancellationToken cancellationToken)
    {
        var name = BlobNames.End(scope, run);
        // Under its digest: two processes that end one run with different statuses must not share a manifest's name.
        var manifestName = BlobNames.Manifest(scope, CanonicalJson.Digest(manifest));
        await DropDamagedAsync<Manifest>(manifestName, Manifest.CurrentSchema, cancellationToken);
        var blob = await Tensors.WriteAsync(manifestName, SealedJson.Write(manifest, Manifest.CurrentSchema), cancellationToken);
        var record = new EndRecord(manifest.Plan, run, status, reason, blob);
        await DropDamagedAsync<EndRecord>(name, EndRecord.CurrentSchema, cancellationToken);
        if (await store.CreateAsync(name, SealedJson.Write(record, EndRecord.CurrentSchema), cancellationToken))
            return record;
        return await ReadAsync<EndRecord>(name, EndRecord.CurrentSchema, cancellationToken) ?? record;
    }

    /// <summary>Makes room for a sound copy of a document that can be written again.</summary>
    private async Task DropDamagedAsync<T>(string name, int schema, CancellationToken cancellationToken)
        where T : class
    {
        if (await store.ReadAsync(name, cancellationToken) is { } blob && SealedJson.Read<T>(name, blob.Content, schema) is null)
            await store.DeleteAsync(name, cancellationToken);
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

    private async Task SetAsideAsync(JobScope scope, string key, string reason, Blob blob, CancellationToken cancellationToken)
    {
        await store.CreateAsync(BlobNames.Quarantine(scope, key, reason), blob.Content, cancellationToken);
        await store.DeleteAsync(BlobNames.Commit(scope, key), cancellationToken);
    }

    internal sealed record GenerationHead(int Generation)
    {
        public const int CurrentSchema = 1;
    }
}
