using Azure;
using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Orchestrator.Jobs;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>Opening a container.</summary>
internal static class AzureContainer
{
    /// <summary>A user waits: what is not there after a few seconds is said.</summary>
    private static readonly StoreRetryOptions s_impatient = new(2, TimeSpan.FromSeconds(0.5), TimeSpan.FromSeconds(2));

    public static BlobContainerClient Client(ContainerAddress address, StoreCredential credential, BlobClientOptions options) => credential switch
    {
        StoreCredential.Key key => new BlobServiceClient(address.Service, key.Shared, options).GetBlobContainerClient(address.Container),
        StoreCredential.Signature signature => new BlobServiceClient(address.Service, signature.Sas, options).GetBlobContainerClient(address.Container),
        StoreCredential.Token token => new BlobServiceClient(address.Service, token.Identity, options).GetBlobContainerClient(address.Container),
        _ => throw new ArgumentOutOfRangeException(nameof(credential)),
    };

    /// <exception cref="InputException"><c>store-not-found</c>, <c>store-refused</c>, <c>store-not-reachable</c>.</exception>
    public static async Task CheckAsync(ContainerAddress address, StoreCredential credential, AzureStoreOptions options, bool create, CancellationToken cancellationToken)
    {
        var container = Client(address, credential, AzureClients.Options(options));
        var pipelines = new AzurePipelines(options with { Retry = s_impatient });
        try
        {
            if (await ExistsAsync(container, pipelines, cancellationToken))
                return;
            if (!create)
                throw new InputException("store-not-found", address.ToString(), "There is no such container.", "Give the container that jobs were run on.");
            await pipelines.CallAsync(0, token => container.CreateIfNotExistsAsync(PublicAccessType.None, cancellationToken: token), cancellationToken);
        }
        catch (Exception cause) when (AzureFailure.IsRefused(cause))
        {
            throw new InputException("store-refused", address.ToString(), (AzureFailure.Of(cause, address.ToString()) ?? cause).Message, "See infra/docs/azure.md for the rights that are needed.");
        }
        catch (Exception cause) when (AzureFailure.Of(cause, address.ToString()) is { } failure)
        {
            throw new InputException("store-not-reachable", address.ToString(), failure.Message, "Then run the same command again.");
        }
    }

    /// <summary>By what every job needs: listing. A look at the container's properties would take a right more.</summary>
    private static async Task<bool> ExistsAsync(BlobContainerClient container, AzurePipelines pipelines, CancellationToken cancellationToken)
    {
        try
        {
            return await pipelines.CallAsync(0, async token =>
            {
                await foreach (var _ in container.GetBlobsAsync(cancellationToken: token).AsPages(pageSizeHint: 1))
                    break;
                return true;
            }, cancellationToken);
        }
        catch (RequestFailedException failed) when (AzureFailure.IsNoContainer(failed))
        {
            return false;
        }
    }
}
