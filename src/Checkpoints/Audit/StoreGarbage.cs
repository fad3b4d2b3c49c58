using System.Buffers.Binary;
using System.Runtime.CompilerServices;
using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Audit;

/// <summary>Why a blob is garbage.</summary>
public enum GarbageKind
{
    /// <summary>An output that no commit names: of an attempt that lost, died or was revoked.</summary>
    Attempt,

    /// <summary>A model or data file that no plan names.</summary>
    Input,

    /// <summary>A state of a unit that is committed.</summary>
    State,

    /// <summary>Activations that groups were reconstructed from, by jobs that have ended.</summary>
    Activations,

    /// <summary>A part of a log that a segment stands for.</summary>
    Log,

    /// <summary>A document that was set aside.</summary>
    Quarantine,
}

public sealed record Garbage(GarbageKind Kind, BlobEntry Blob);

/// <summary>Finds what no job needs any more: nothing younger than a bound, since an attempt writes its outputs before it is committed. Some bytes a committed unit of memory.</summary>
public sealed class StoreGarbage
{
    private readonly ReadOnlyBlobStore _store;
    private readonly CheckpointStore _checkpoints;
    private readonly ClusterHeads _cluster;
    private readonly DateTimeOffset _before;
    private readonly HashSet<UInt128> _committed = [];
    private readonly HashSet<(string Tenant, string Key)> _finished = [];
    private readonly HashSet<string> _reconstructing = new(StringComparer.Ordinal);
    private readonly HashSet<string> _inputs = new(StringComparer.Ordinal);
    private readonly HashSet<string> _logParts = new(StringComparer.Ordinal);
    private readonly HashSet<(JobScope Scope, string Stage)> _logs = [];
    private bool _allPlansRead = true;

    /// <param name="before">Only what was created earlier.</param>
    public StoreGarbage(IBlobStore store, DateTimeOffset before)
    {
        _store = new ReadOnlyBlobStore(store);
        _checkpoints = new CheckpointStore(_store);
        _cluster = new ClusterHeads(_store, "");
        _before = before;
    }

    /// <exception cref="Jobs.InputException"><c>store-newer</c>: what a newer version keeps cannot be told from garbage.</exception>
    public async IAsyncEnumerable<Garbage> FindAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in _store.ListAsync("", cancellationToken))
            await KeepAsync(StoredName.Of(entry.Name), cancellationToken);
        await foreach (var entry in _store.ListAsync("", cancellationToken))
        {
            if (entry.Created < _before && KindOf(entry) is { } kind)
                yield return new Garbage(kind, entry);
        }
    }

    private async Task KeepAsync(StoredName stored, CancellationToken cancellationToken)
    {
        switch (stored.Kind)
        {
            case StoredKind.Plan:
                await KeepPlanAsync(stored, cancellationToken);
                break;
            case StoredKind.JobHead:
                await KeepDocumentsAsync(stored.Scope, cancellationToken);
                break;
            case StoredKind.Commit when await _checkpoints.ReadCommitAsync(stored.Scope, stored.Subject, cancellationToken) is { } record:
                _committed.Add(Mark(record.Key, record.Epoch));
                if (record.Kind == UnitKind.Reconstruct)
                    _finished.Add((stored.Scope.Tenant, record.Key));
                break;
            case StoredKind.LogHead or StoredKind.LogRecord or StoredKind.LogSegment when _logs.Add((stored.Scope, stored.Subject)):
                var log = await _checkpoints.OpenStageAsync(stored.Scope, stored.Subject, 1, cancellationToken);
                foreach (var entry in log.Entries())
                    _committed.Add(Mark(log.KeyOf(entry), log.EpochOf(entry)));
                _logParts.UnionWith(log.Parts);
                break;
        }
    }

    private async Task KeepPlanAsync(StoredName stored, CancellationToken cancellationToken)
    {
        if (await _checkpoints.ReadPlanAsync(stored.Scope.Tenant, stored.Scope.JobId, cancellationToken) is not { } plan)
        {
            _allPlansRead = false;
            return;
        }

        if (plan.Reconstruction is not null && !await HasEndedAsync(stored.Scope, cancellationToken))
            _reconstructing.Add(stored.Scope.Tenant);
        foreach (var source in (SourceBlob?[])[plan.Settings.Model, plan.Settings.Calibration, plan.Settings.Evaluation, .. plan.Settings.ModelTensors ?? []])
        {
            if (source is not null)
                _inputs.Add(BlobNames.Input(stored.Scope.Tenant, source.Sha256));
        }
    }

    private async Task<bool> HasEndedAsync(JobScope job, CancellationToken cancellationToken) =>
        await _checkpoints.ReadLastEndAsync(await _checkpoints.ReadScopeAsync(job.Tenant, job.JobId, cancellationToken), cancellationToken) is not null;

    /// <summary>What a job of a cluster was submitted with lies among the inputs, and no plan names it.</summary>
    private async Task KeepDocumentsAsync(JobScope job, CancellationToken cancellationToken)
    {
        if (await _cluster.ReadJobAsync(job.Tenant, job.JobId, cancellationToken) is not { } head)
            _allPlansRead = false;
        else
            _inputs.UnionWith(head.Documents.Select(document => BlobNames.Input(job.Tenant, document.Sha256)));
    }

    private GarbageKind? KindOf(BlobEntry entry)
    {
        var stored = StoredName.Of(entry.Name);
        return stored.Kind switch
        {
            StoredKind.Output when BlobNames.ProducerOf(entry.Name) is var (key, epoch) && !_committed.Contains(Mark(key, epoch)) => GarbageKind.Attempt,
            // Jobs of a tenant share them, and a unit that misses them has them captured anew. A plan that cannot be read may need any.
            StoredKind.Output when BlobNames.RoleOf(entry.Name) == Roles.Activations && _allPlansRead && !_reconstructing.Contains(stored.Scope.Tenant) => GarbageKind.Activations,
            StoredKind.State when _finished.Contains((stored.Scope.Tenant, stored.Subject)) => GarbageKind.State,
            // A plan that cannot be read may name anything.
            StoredKind.Input when _allPlansRead && !_inputs.Contains(entry.Name) => GarbageKind.Input,
            StoredKind.LogRecord or StoredKind.LogSegment when _logs.Contains((stored.Scope, stored.Subject)) && !_logParts.Contains(entry.Name) => GarbageKind.Log,
            StoredKind.Quarantined => GarbageKind.Quarantine,
            _ => null,
        };
    }

    /// <summary>Half a digest: two attempts of a store never share it, and a million take little.</summary>
    private static UInt128 Mark(string key, Epoch epoch) =>
        BinaryPrimitives.ReadUInt128LittleEndian(SHA256.HashData(Encoding.UTF8.GetBytes($"{key}/{epoch.Attempt}")));
}
