using System.Runtime.CompilerServices;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Cluster;

/// <summary>What the servers of a cluster keep in the store beside the jobs' own records: who is active, and what each job shall do.</summary>
/// <param name="writer">Unlike that of any other process that uses the store.</param>
public sealed class ClusterHeads(IBlobStore store, string writer)
{
    internal const int LogSchema = 1;

    private readonly DocumentHeads _heads = new(store, writer);

    /// <returns>No head where there is none or it is damaged; no ETag where there is none at all.</returns>
    public Task<(ServerHead? Head, string? ETag)> ReadServerAsync(CancellationToken cancellationToken) =>
        _heads.ReadAsync<ServerHead>(BlobNames.ServerHead, ServerHead.CurrentSchema, cancellationToken);

    /// <returns>The new ETag; null on conflict.</returns>
    public Task<string?> ReplaceServerAsync(ServerHead head, string? etag, CancellationToken cancellationToken) =>
        _heads.ReplaceAsync(BlobNames.ServerHead, ServerHead.CurrentSchema, head, etag, cancellationToken);

    /// <summary>All jobs that were ever submitted, in the order of tenants and ids.</summary>
    public async IAsyncEnumerable<(string Tenant, string JobId)> ListJobsAsync([EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var entry in store.ListAsync(BlobNames.JobHeads, cancellationToken))
        {
            if (Audit.StoredName.Of(entry.Name) is { Kind: Audit.StoredKind.JobHead, Scope: var scope })
                yield return (scope.Tenant, scope.JobId);
        }
    }

    /// <returns>Null where there is none or it is damaged.</returns>
    public async Task<JobHead?> ReadJobAsync(string tenant, string jobId, CancellationToken cancellationToken) =>
        (await _heads.ReadAsync<JobHead>(BlobNames.JobHead(tenant, jobId), JobHead.CurrentSchema, cancellationToken)).Document;

    /// <inheritdoc cref="DocumentHeads.UpdateAsync"/>
    public Task<JobHead> UpdateJobAsync(string tenant, string jobId, Func<JobHead?, JobHead> change, CancellationToken cancellationToken) =>
        _heads.UpdateAsync(BlobNames.JobHead(tenant, jobId), JobHead.CurrentSchema, change, cancellationToken);

    /// <summary>The newest lines of a job's log.</summary>
    /// <returns>Null where there are none or they are damaged.</returns>
    public async Task<T?> ReadLogAsync<T>(string tenant, string jobId, CancellationToken cancellationToken)
        where T : class => (await _heads.ReadAsync<T>(BlobNames.JobLog(tenant, jobId), LogSchema, cancellationToken)).Document;

    public Task WriteLogAsync<T>(string tenant, string jobId, T log, CancellationToken cancellationToken)
        where T : class => _heads.UpdateAsync<T>(BlobNames.JobLog(tenant, jobId), LogSchema, _ => log, cancellationToken);
}
