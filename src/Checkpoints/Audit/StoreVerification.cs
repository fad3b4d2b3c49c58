using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Audit;

/// <summary>What is wrong with a blob.</summary>
public enum FindingKind
{
    /// <summary>It does not have its SHA-256, or is no document of ours any more.</summary>
    Damaged,

    /// <summary>A commit names it and it is not there.</summary>
    Missing,

    /// <summary>Not a name of ours.</summary>
    Foreign,

    /// <summary>Written by a newer version.</summary>
    Newer,
}

/// <param name="Consequence">What a run does about it.</param>
public sealed record Finding(FindingKind Kind, string Name, string Consequence);

/// <summary>Reads every blob that anything depends on and holds it against its digest, its schema and the records. Changes nothing; holds one stage's log at a time.</summary>
public sealed class StoreVerification
{
    private const string UnitRuns = "its unit runs again when a job needs it";
    private const string UnitsRun = "its units run again when a job needs them";

    private readonly ReadOnlyBlobStore _store;
    private readonly CheckpointStore _checkpoints;
    private readonly Action<Finding> _found;
    private (JobScope Scope, string Stage)? _log;

    /// <param name="found">Gets each finding as it is made.</param>
    public StoreVerification(IBlobStore store, Action<Finding> found)
    {
        _store = new ReadOnlyBlobStore(store);
        _checkpoints = new CheckpointStore(_store);
        _found = found;
    }

    /// <summary>Blobs looked at.</summary>
    public long Blobs { get; private set; }

    /// <summary>Their bytes.</summary>
    public long Bytes { get; private set; }

    /// <summary>Committed units whose outputs were read.</summary>
    public long Units { get; private set; }

    public async Task RunAsync(CancellationToken cancellationToken)
    {
        await foreach (var entry in _store.ListAsync("", cancellationToken))
        {
            Blobs++;
            Bytes += entry.Length;
            try
            {
                await CheckAsync(entry, StoredName.Of(entry.Name), cancellationToken);
            }
            catch (InputException newer) when (newer.Code == "store-newer")
            {
                _found(new Finding(FindingKind.Newer, newer.Subject, "this version refuses the store"));
            }
        }
    }

    private Task CheckAsync(BlobEntry entry, StoredName name, CancellationToken cancellationToken) => name.Kind switch
    {
        StoredKind.Input => CheckBlobAsync(new BlobRef(entry.Name, name.Subject, entry.Length), "the file is imported anew by the next run of its job", cancellationToken),
        StoredKind.Commit => CheckCommitAsync(entry, name, cancellationToken),
        StoredKind.Revocation => CheckDocumentAsync<RecordRevocation>(entry, RecordRevocation.CurrentSchema, "nothing: that it exists is enough", cancellationToken),
        StoredKind.LogRecord or StoredKind.LogSegment or StoredKind.LogHead => CheckLogAsync(name, cancellationToken),
        StoredKind.Plan => CheckDocumentAsync<JobPlan>(entry, JobPlan.CurrentSchema, "the next run of its job writes it anew", cancellationToken),
        StoredKind.Generation => CheckDocumentAsync<CheckpointStore.GenerationHead>(entry, CheckpointStore.GenerationHead.CurrentSchema, "the job is refused; use another store", cancellationToken),
        StoredKind.End => CheckDocumentAsync<EndRecord>(entry, EndRecord.CurrentSchema, "the job is folded anew and ended again", cancellationToken),
        StoredKind.Manifest => CheckDocumentAsync<Manifest>(entry, Manifest.CurrentSchema, "nothing: the commits say the same", cancellationToken),
        StoredKind.GrainState => CheckDocumentAsync<object>(entry, GrainStateStore.CurrentSchema, "counted anew", cancellationToken),
        StoredKind.ServerHead => CheckDocumentAsync<ServerHead>(entry, ServerHead.CurrentSchema, "the next server takes over", cancellationToken),
        StoredKind.JobHead => CheckDocumentAsync<JobHead>(entry, JobHead.CurrentSchema, "the job waits to be submitted again", cancellationToken),
        StoredKind.JobLog => CheckDocumentAsync<object>(entry, ClusterHeads.LogSchema, "the job's log begins anew", cancellationToken),
        StoredKind.State => CheckStateAsync(entry, cancellationToken),
        StoredKind.Foreign => Tell(new Finding(FindingKind.Foreign, entry.Name, "nothing: no job reads it")),
        _ => Task.CompletedTask,
    };

    private async Task CheckDocumentAsync<T>(BlobEntry entry, int schema, string consequence, CancellationToken cancellationToken)
        where T : class
    {
        if (await _store.ReadAsync(entry.Name, cancellationToken) is { } blob && SealedJson.Read<T>(entry.Name, blob.Content, schema) is null && !await IsPassedAsync(entry, cancellationToken))
            _found(new Finding(FindingKind.Damaged, entry.Name, consequence));
    }

    private async Task CheckCommitAsync(BlobEntry entry, StoredName name, CancellationToken cancellationToken)
    {
        if (await _store.ReadAsync(entry.Name, cancellationToken) is not { } blob || await IsPassedAsync(entry, cancellationToken))
            return;
        if (SealedJson.Read<CommitRecord>(entry.Name, blob.Content, CommitRecord.CurrentSchema) is not { } record || record.Key != name.Subject)
        {
            _found(new Finding(FindingKind.Damaged, entry.Name, UnitRuns));
            return;
        }

        await CheckOutputsAsync(record.Outputs, cancellationToken);
    }

    /// <summary>What it says does not count any more: it was revoked, or written anew under the next number.</summary>
    private async Task<bool> IsPassedAsync(BlobEntry entry, CancellationToken cancellationToken) =>
        DocumentName.Parse(entry.Name) is { IsRevocation: false } name &&
        (await _store.ReadAsync(name.Revocation.ToString(), cancellationToken) is not null || await _store.ReadAsync(name.Next.ToString(), cancellationToken) is not null);

    /// <summary>A log once, at the first of its blobs; the listing brings them one after the other.</summary>
    private async Task CheckLogAsync(StoredName name, CancellationToken cancellationToken)
    {
        if (_log == (name.Scope, name.Subject))
            return;
        _log = (name.Scope, name.Subject);
        var log = await _checkpoints.OpenStageAsync(name.Scope, name.Subject, 1, cancellationToken);
        foreach (var damaged in log.Damaged)
            _found(new Finding(FindingKind.Damaged, damaged, UnitsRun));
        foreach (var missing in log.Missing)
            _found(new Finding(FindingKind.Missing, missing, UnitsRun));
        foreach (var entry in log.Entries())
            await CheckOutputsAsync(log[entry].Outputs, cancellationToken);
    }

    private async Task CheckOutputsAsync(IEnumerable<UnitOutput> outputs, CancellationToken cancellationToken)
    {
        Units++;
        foreach (var (role, blob) in outputs)
        {
            // Activations are collected when nothing reads them any more.
            await CheckBlobAsync(blob, UnitRuns, cancellationToken, mayBeGone: role == Roles.Activations);
        }
    }

    private async Task CheckBlobAsync(BlobRef blob, string consequence, CancellationToken cancellationToken, bool mayBeGone = false)
    {
        try
        {
            await _checkpoints.Tensors.CopyAsync(blob, Stream.Null, cancellationToken);
        }
        catch (DamagedBlobException damaged)
        {
            if (!damaged.IsMissing || !mayBeGone)
                _found(new Finding(damaged.IsMissing ? FindingKind.Missing : FindingKind.Damaged, blob.Name, consequence));
        }
    }

    private async Task CheckStateAsync(BlobEntry entry, CancellationToken cancellationToken)
    {
        if (await _store.ReadAsync(entry.Name, cancellationToken) is { } blob && UnitStates.Open(blob.Content) is null)
            _found(new Finding(FindingKind.Damaged, entry.Name, "its unit goes on from the state before"));
    }

    private Task Tell(Finding finding)
    {
        _found(finding);
        return Task.CompletedTask;
    }
}
