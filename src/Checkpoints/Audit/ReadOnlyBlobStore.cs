using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.Checkpoints.Audit;

/// <summary>A store to look at: reads are the store's, writes and deletions change nothing, so that looking never heals, compacts or sets aside.</summary>
public sealed class ReadOnlyBlobStore(IBlobStore inner) : IBlobStore
{
    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) => inner.ReadAsync(name, cancellationToken);

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) => inner.OpenReadAsync(name, cancellationToken);

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) => Task.FromResult(true);

    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) => Task.FromResult(true);

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => Task.FromResult<string?>(null);

    public Task DeleteAsync(string name, CancellationToken cancellationToken) => Task.CompletedTask;

    public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);
}
