using Azure.Storage.Blobs;
using Azure.Storage.Blobs.Models;
using Azure.Storage.Sas;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>Signs rights to single blobs: with a key that the service gives to an identity, or with the account's key.</summary>
internal sealed class AzureGrants(ContainerAddress address, StoreCredential credential, BlobServiceClient service, AzurePipelines pipelines, TimeProvider clock)
{
    /// <summary>A key is asked for at least for so long, so that one signs many grants; the service gives it for seven days at most.</summary>
    private static readonly TimeSpan s_keyLife = TimeSpan.FromHours(6);

    private volatile UserDelegationKey? _key;

    public async Task<Uri> GrantAsync(string name, BlobAccess access, DateTimeOffset until, CancellationToken cancellationToken)
    {
        // No start time: clocks differ.
        var signature = new BlobSasBuilder(access == BlobAccess.Read ? BlobSasPermissions.Read : BlobSasPermissions.Create, until)
        {
            BlobContainerName = address.Container,
            BlobName = name,
            Resource = "b",
            Protocol = address.IsHttps ? SasProtocol.Https : SasProtocol.HttpsAndHttp,
        };
        var query = credential switch
        {
            StoreCredential.Key key => signature.ToSasQueryParameters(key.Shared),
            StoreCredential.Token => signature.ToSasQueryParameters(await KeyAsync(until, cancellationToken), address.Account),
            _ => throw new StoreAccessException("A store that was opened with a shared access signature cannot grant rights to others. Open it with an identity or the account's key."),
        };
        return new Uri($"{address.Uri.AbsoluteUri}/{name}?{query}");
    }

    private async Task<UserDelegationKey> KeyAsync(DateTimeOffset until, CancellationToken cancellationToken)
    {
        if (_key is { } kept && kept.SignedExpiresOn >= until)
            return kept;
        var least = clock.GetUtcNow() + s_keyLife;
        try
        {
            var key = await pipelines.CallAsync(0, async token =>
                (await service.GetUserDelegationKeyAsync(new BlobGetUserDelegationKeyOptions(until > least ? until : least), token)).Value, cancellationToken);
            return _key = key;
        }
        catch (Exception cause) when (AzureFailure.Of(cause, address.ToString()) is { } failure)
        {
            throw failure;
        }
    }
}
