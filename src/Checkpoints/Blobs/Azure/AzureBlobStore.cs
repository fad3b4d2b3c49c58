using System.Runtime.CompilerServices;
using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Blobs.Specialized;
using Orchestrator.Jobs;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>
/// A store in a container of Azure Blob Storage. Blobs are created under the condition that there is none, heads replaced under their
/// ETag. What is larger than a block is staged in blocks and made a blob in one request, so it is there whole or not at all. Tries again by
/// itself: never to be put behind a <see cref="RetryingBlobStore"/>.
/// </summary>
public sealed class AzureBlobStore : IBlobStore, IBlobGrants
{
    internal const string BlobETag = "1";

    private readonly BlobContainerClient _container;
    private readonly AzureTransfer _transfer;
    private readonly AzureGrants _grants;
    private readonly DateTimeOffset? _ends;

    internal AzureBlobStore(ContainerAddress address, StoreCredential credential, AzureStoreOptions options)
    {
        if (credential is StoreCredential.Token && !address.IsHttps)
            throw new InputException("store-key-missing", address.ToString(), "An identity's token is never sent without https.", "Give the account's key with --store-key-file, or an https address.");
        Address = address;
        _ends = credential is StoreCredential.Signature signature ? StoreCredential.EndOf(signature.Sas.Signature) : null;
        _container = AzureContainer.Client(address, credential, AzureClients.Options(options));
        _transfer = new AzureTransfer(options);
        _grants = new AzureGrants(address, credential, _container.GetParentBlobServiceClient(), _transfer.Pipelines, options.Clock);
    }

    public ContainerAddress Address { get; }

    /// <summary>Opens a container and finds out whether the credentials open it.</summary>
    /// <param name="create">Creates it where it is missing and there is the right to.</param>
    /// <exception cref="InputException"><c>store-not-found</c>, <c>store-refused</c>, <c>store-not-reachable</c>.</exception>
    public static async Task<AzureBlobStore> OpenAsync(ContainerAddress address, StoreCredential credential, AzureStoreOptions options, bool create, CancellationToken cancellationToken)
    {
        var store = new AzureBlobStore(address, credential, options);
        await AzureContainer.CheckAsync(address, credential, options, create, cancellationToken);
        return store;
    }

    public async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        return await _transfer.ReadAsync(Of(name), cancellationToken) is { } read ? new Blob(read.Content, BlobName.IsHead(name) ? read.ETag.ToString() : BlobETag) : null;
    }

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return _transfer.OpenReadAsync(Of(name), cancellationToken);
    }

    public async Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        if (content.Length > _transfer.BlockBytes)
            return await CreateAsync(name, (stream, token) => stream.WriteAsync(content, token).AsTask(), cancellationToken);
        return await PutAsync(name, content, new BlobRequestConditions { IfNoneMatch = ETag.All }, cancellationToken) is not null;
    }

    public async Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        await using var stream = new AzureWriteStream(_transfer, Of(name), cancellationToken);
        await write(stream, cancellationToken);
        return await stream.CompleteAsync();
    }

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: true);
        return PutAsync(name, content, etag is null ? new BlobRequestConditions { IfNoneMatch = ETag.All } : new BlobRequestConditions { IfMatch = new ETag(etag) }, cancellationToken);
    }

    public async Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        try
        {
            await _transfer.RunAsync(Of(name), client => _transfer.Pipelines.CallAsync(0, token => client.DeleteAsync(cancellationToken: token), cancellationToken), cancellationToken);
        }
        catch (RequestFailedException failed) when (AzureFailure.IsAbsent(failed))
        {
        }
    }

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var (more, last) = ((string?)"", "");
        while (more is not null)
        {
            var page = await PageAsync(prefix, more, cancellationToken);
            foreach (var item in page.Values)
            {
                // Accounts with folders list in another order, and their folders as blobs.
                if (string.CompareOrdinal(last, item.Name) >= 0)
                    throw new StoreException($"The store lists '{item.Name}' behind '{last}'. Use an account without hierarchical namespace.", 0, null);
                last = item.Name;
                yield return new BlobEntry(item.Name, item.Properties.ContentLength ?? 0, item.Properties.LastModified ?? default);
            }

            more = string.IsNullOrEmpty(page.ContinuationToken) ? null : page.ContinuationToken;
        }
    }

    public Task<Uri> GrantAsync(string name, BlobAccess access, DateTimeOffset until, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return _grants.GrantAsync(name, access, until, cancellationToken);
    }

    private Task<string?> PutAsync(string name, ReadOnlyMemory<byte> content, BlobRequestConditions conditions, CancellationToken cancellationToken) =>
        _transfer.PutAsync(Of(name), content.Length, BinaryData.FromBytes(content).ToStream, conditions, cancellationToken);

    private async Task<Page<BlobItem>> PageAsync(string prefix, string after, CancellationToken cancellationToken)
    {
        try
        {
            return await _transfer.Pipelines.CallAsync(0, async token =>
            {
                await foreach (var page in _container.GetBlobsAsync(new GetBlobsOptions { Prefix = prefix }, token).AsPages(after.Length == 0 ? null : after).WithCancellation(token))
                    return page;
                throw new IOException("no page came");
            }, cancellationToken);
        }
        catch (Exception cause) when (AzureFailure.Of(cause, Address.ToString()) is { } failure)
        {
            throw failure;
        }
    }

    private OpenedBlob Of(string name) => new(name, _container.GetBlockBlobClient(name), _ends);

    private sealed class OpenedBlob(string name, BlockBlobClient client, DateTimeOffset? ends) : AzureBlob(name)
    {
        public override DateTimeOffset? Ends => ends;

        public override ValueTask<BlockBlobClient> ClientAsync(CancellationToken cancellationToken) => ValueTask.FromResult(client);
    }
}
