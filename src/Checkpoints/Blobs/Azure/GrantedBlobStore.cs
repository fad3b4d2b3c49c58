using System.Collections.Concurrent;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>A right to one blob.</summary>
/// <param name="Address">A secret.</param>
public sealed record GrantedAddress(Uri Address, DateTimeOffset Until)
{
    public override string ToString() => $"{Address.AbsolutePath} until {Until:O}";
}

/// <summary>Asks whoever owns the store for the right to one blob.</summary>
public delegate Task<GrantedAddress> GrantSource(string name, BlobAccess access, CancellationToken cancellationToken);

/// <summary>
/// A store for those who may read some blobs and create some, and hold no credentials: every blob is reached through a grant of its own,
/// asked for when it is needed and again before it expires. Nothing can be replaced, deleted or listed.
/// </summary>
/// <remarks>A grant to create allows one request without overwriting, and no blocks: content that comes piece by piece is kept in a file until it is whole.</remarks>
/// <param name="scratch">Folder for such files; they are gone when the call returns.</param>
public sealed class GrantedBlobStore(GrantSource ask, AzureStoreOptions options, string scratch) : IBlobStore
{
    /// <summary>A grant is not used any more so long before it ends: clocks differ, and a request takes its time.</summary>
    private static readonly TimeSpan s_margin = TimeSpan.FromSeconds(10);

    private const int CopyBuffer = 1 << 20;
    private const int MostKept = 4_096;

    private readonly GrantSource _ask = ask;
    private readonly TimeProvider _clock = options.Clock;
    private readonly AzureTransfer _transfer = new(options);
    private readonly BlobClientOptions _clients = AzureClients.Options(options);
    private readonly ConcurrentDictionary<(string Name, BlobAccess Access), GrantedAddress> _grants = new();

    /// <summary>Takes a grant that came without asking, with a lease for example.</summary>
    public void Take(string name, BlobAccess access, GrantedAddress grant)
    {
        if (_grants.Count >= MostKept)
            DropExpired();
        _grants[(name, access)] = grant;
    }

    public async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return await _transfer.ReadAsync(Of(name, BlobAccess.Read), cancellationToken) is { } read ? new Blob(read.Content, AzureBlobStore.BlobETag) : null;
    }

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return _transfer.OpenReadAsync(Of(name, BlobAccess.Read), cancellationToken);
    }

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return PutAsync(name, content.Length, BinaryData.FromBytes(content).ToStream, cancellationToken);
    }

    public async Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        var path = Path.Combine(scratch, $"upload-{Guid.NewGuid():n}");
        await using var file = OpenScratch(path);
        await write(file, cancellationToken);
        await file.FlushAsync(cancellationToken);
        if (file.Length > AzureTransfer.MaxPutBytes)
            throw new IOException($"'{name}' has {file.Length} bytes; one grant takes {AzureTransfer.MaxPutBytes}. Give this worker the store itself with --store.");
        return await PutAsync(name, file.Length, () => new FileStream(path, FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, CopyBuffer, FileOptions.Asynchronous | FileOptions.SequentialScan), cancellationToken);
    }

    /// <exception cref="StoreAccessException">Always.</exception>
    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => throw NotGranted("replaced");

    /// <exception cref="StoreAccessException">Always.</exception>
    public Task DeleteAsync(string name, CancellationToken cancellationToken) => throw NotGranted("deleted");

    /// <exception cref="StoreAccessException">Always.</exception>
    public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => throw NotGranted("listed");

    private static StoreAccessException NotGranted(string what) => new($"Nothing can be {what} in a store that is reached by grants.");

    private static FileStream OpenScratch(string path)
    {
        try
        {
            return new FileStream(path, FileMode.CreateNew, FileAccess.Write, FileShare.ReadWrite | FileShare.Delete, CopyBuffer, FileOptions.Asynchronous | FileOptions.DeleteOnClose);
        }
        catch (Exception cause) when (StorageFailure.Of(cause, path) is { } failure)
        {
            throw failure;
        }
    }

    private async Task<bool> PutAsync(string name, long length, Func<Stream> open, CancellationToken cancellationToken)
    {
        try
        {
            return await _transfer.PutAsync(Of(name, BlobAccess.Create), length, open, new BlobRequestConditions { IfNoneMatch = ETag.All }, cancellationToken) is not null;
        }
        catch (StoreAccessException)
        {
            // A right to create only is refused where the name is taken, before the condition is looked at.
            if (!await ExistsAsync(name, cancellationToken))
                throw;
            return false;
        }
    }

    private async Task<bool> ExistsAsync(string name, CancellationToken cancellationToken)
    {
        try
        {
            return await _transfer.RangeAsync(Of(name, BlobAccess.Read), 0, null, cancellationToken) is not null;
        }
        catch (Exception unknown) when (unknown is not OperationCanceledException)
        {
            return false;
        }
    }

    private void DropExpired()
    {
        var now = _clock.GetUtcNow();
        foreach (var expired in _grants.Where(grant => grant.Value.Until <= now))
            _grants.TryRemove(expired);
    }

    private GrantedBlob Of(string name, BlobAccess access) => new(this, name, access);

    private sealed class GrantedBlob(GrantedBlobStore store, string name, BlobAccess access) : AzureBlob(name)
    {
        private GrantedAddress? _used;

        public override DateTimeOffset? Ends => _used is null ? null : StoreCredential.EndOf(_used.Address.Query);

        public override async ValueTask<BlockBlobClient> ClientAsync(CancellationToken cancellationToken)
        {
            if (!store._grants.TryGetValue((Name, access), out var grant) || grant.Until <= store._clock.GetUtcNow() + s_margin)
            {
                grant = await store._ask(Name, access, cancellationToken);
                store.Take(Name, access, grant);
            }

            _used = grant;
            return new BlockBlobClient(grant.Address, store._clients);
        }

        /// <summary>A grant may have ended before its time: keys are changed, clocks differ. The one that was just asked for is not asked for again.</summary>
        public override bool Renew() => _used is { } used && store._grants.TryRemove(new KeyValuePair<(string, BlobAccess), GrantedAddress>((Name, access), used));
    }
}
