using System.Net.Http.Headers;
using System.Text;
using System.Web;
using Azure;
using Azure.Core;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Jobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Checkpoints.Tests.Blobs.Azure;

/// <summary>A store that is opened with an identity, and what is said where a store cannot be opened; over made-up answers.</summary>
public sealed class AzureIdentityTests
{
    private const string Secret = "c2lnbmF0dXJl";

    private static readonly ContainerAddress s_address = ContainerAddress.Parse("https://account.blob.core.windows.net/jobs");
    private static readonly string s_key = Convert.ToBase64String(Encoding.ASCII.GetBytes("a key that is long enough for a signature"));

    private readonly ManualClock _clock = new(new DateTimeOffset(2026, 11, 25, 0, 0, 0, TimeSpan.Zero));
    private int _keysAsked;

    [Fact]
    public async Task Grants_are_signed_with_a_key_that_the_service_gives_to_the_identity_and_which_is_kept()
    {
        var store = Store(KeyOfIdentity);
        var until = _clock.GetUtcNow().AddHours(1);

        var grants = new List<Uri>();
        foreach (var access in new[] { BlobAccess.Read, BlobAccess.Create })
            grants.Add(await store.GrantAsync("local/a", access, until, CancellationToken.None));

        Assert.Equal(1, _keysAsked);
        Assert.Equal(["r", "c"], grants.Select(grant => HttpUtility.ParseQueryString(grant.Query)["sp"]));
        foreach (var grant in grants)
        {
            var query = HttpUtility.ParseQueryString(grant.Query);
            Assert.Equal("https://account.blob.core.windows.net/jobs/local/a", grant.GetLeftPart(UriPartial.Path));
            Assert.Equal(("b", "https", "object", null, "2026-11-25T01:00:00Z"), (query["sr"], query["spr"], query["skoid"], query["st"], query["se"]));
        }

        await store.GrantAsync("local/a", BlobAccess.Read, until.AddDays(1), CancellationToken.None);
        Assert.Equal(2, _keysAsked);
    }

    [Fact]
    public void An_identity_is_not_sent_without_https()
    {
        var emulator = ContainerAddress.Parse("http://127.0.0.1:1/devstoreaccount1/jobs");

        Assert.Equal("store-key-missing", Assert.Throws<InputException>(() => new AzureBlobStore(emulator, StoreCredential.Of(new FixedIdentity()), Options(KeyOfIdentity))).Code);
    }

    [Fact]
    public async Task An_identity_that_cannot_sign_in_is_a_refusal()
    {
        var store = new AzureBlobStore(s_address, StoreCredential.Of(new NoIdentity()), Options(KeyOfIdentity));

        var refused = await Assert.ThrowsAsync<StoreAccessException>(() => store.ReadAsync("local/a", CancellationToken.None));

        Assert.Contains("nobody is signed in", refused.Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(403, "AuthenticationFailed", "expired")]
    [InlineData(401, "NoAuthenticationInformation", "--store-key-file")]
    [InlineData(403, "AuthorizationPermissionMismatch", "Storage Blob Data Contributor")]
    [InlineData(403, "AccountIsDisabled", "disabled")]
    [InlineData(403, "KeyBasedAuthenticationNotPermitted", "identity")]
    [InlineData(403, "Unheard", "403 Unheard")]
    public async Task What_the_service_refuses_is_told_with_a_remedy_and_without_its_own_text(int status, string code, string expected)
    {
        var store = Store(_ => Error(status, code));

        var refused = await Assert.ThrowsAsync<StoreAccessException>(() => store.ReadAsync("local/a", CancellationToken.None));

        Assert.Contains(expected, refused.Message, StringComparison.Ordinal);
        Assert.Contains("local/a", refused.Message, StringComparison.Ordinal);
        Assert.DoesNotContain(Secret, refused.ToString(), StringComparison.Ordinal);
    }

    [Theory]
    [InlineData(404, "ContainerNotFound", "no such container")]
    [InlineData(503, "ServerBusy", "throttles")]
    [InlineData(500, "InternalError", "500 InternalError")]
    [InlineData(409, "ContainerBeingDeleted", "409 ContainerBeingDeleted")]
    public async Task What_fails_is_told_as_a_failure_of_the_store(int status, string code, string expected)
    {
        var store = Store(_ => Error(status, code));

        foreach (var call in new Func<Task>[]
        {
            () => store.ReadAsync("local/a", CancellationToken.None),
            () => store.CreateAsync("local/a", new byte[1], CancellationToken.None),
            () => store.DeleteAsync("local/a", CancellationToken.None),
            () => store.NamesAsync(""),
        })
        {
            var failure = await Assert.ThrowsAsync<StoreException>(call);
            Assert.Contains(expected, failure.Message, StringComparison.Ordinal);
            Assert.DoesNotContain(Secret, failure.ToString(), StringComparison.Ordinal);
        }
    }

    [Theory]
    [InlineData(412, "ConditionNotMet")]
    [InlineData(409, "BlobAlreadyExists")]
    [InlineData(409, "ConditionNotMet")]
    [InlineData(404, "BlobNotFound")]
    public async Task A_state_that_has_moved_on_is_a_conflict(int status, string code)
    {
        var store = Store(_ => Error(status, code));

        Assert.False(await store.CreateAsync("local/a", new byte[1], CancellationToken.None));
        Assert.Null(await store.ReplaceAsync("local/a.head", new byte[1], "\"1\"", CancellationToken.None));
    }

    [Fact]
    public async Task Nobody_at_the_address_is_told_after_a_few_tries()
    {
        var nobody = ContainerAddress.Parse("http://127.0.0.1:1/devstoreaccount1/jobs");

        var unreachable = await Assert.ThrowsAsync<InputException>(() => AzureBlobStore.OpenAsync(
            nobody, StoreCredential.Parse(s_key, nobody, "file"), AzuriteServer.Options, create: true, CancellationToken.None));

        Assert.Equal(("store-not-reachable", nobody.ToString()), (unreachable.Code, unreachable.Subject));
        Assert.Contains("nothing listens there", unreachable.Message, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_listing_out_of_order_is_refused_rather_than_believed()
    {
        var store = Store(_ => new CannedResponse(200, "<EnumerationResults><Blobs><Blob><Name>b</Name><Properties><Content-Length>1</Content-Length></Properties></Blob><Blob><Name>a</Name><Properties><Content-Length>1</Content-Length></Properties></Blob></Blobs><NextMarker/></EnumerationResults>", ("Content-Type", "application/xml")));

        var refused = await Assert.ThrowsAsync<StoreException>(() => store.NamesAsync(""));

        Assert.Contains("hierarchical", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Credentials_say_nothing_of_themselves()
    {
        var key = StoreCredential.Parse(s_key, s_address, "file");

        Assert.DoesNotContain(s_key, $"{key}", StringComparison.Ordinal);
    }

    private static CannedResponse Error(int status, string code) => new(
        status, $"<Error><Code>{code}</Code><Message>The MAC signature '{Secret}' is not the same</Message></Error>", ("x-ms-error-code", code), ("Content-Type", "application/xml"));

    private CannedResponse KeyOfIdentity(Request request)
    {
        Assert.True(request.Headers.TryGetValue("Authorization", out var authorization) && AuthenticationHeaderValue.Parse(authorization!).Scheme == "Bearer");
        Assert.Contains("comp=userdelegationkey", request.Uri.Query, StringComparison.Ordinal);
        _keysAsked++;
        var expiry = _keysAsked == 1 ? _clock.GetUtcNow().AddHours(6) : _clock.GetUtcNow().AddDays(3);
        return new CannedResponse(200, $"""
            <UserDelegationKey><SignedOid>object</SignedOid><SignedTid>tenant</SignedTid><SignedStart>2026-11-25T00:00:00Z</SignedStart>
            <SignedExpiry>{expiry:yyyy-MM-ddTHH:mm:ssZ}</SignedExpiry><SignedService>b</SignedService><SignedVersion>2024-11-04</SignedVersion><Value>{s_key}</Value></UserDelegationKey>
            """, ("Content-Type", "application/xml"));
    }

    private AzureStoreOptions Options(Func<Request, Response> answer) => new(_clock, () => 0.5)
    {
        Transport = new CannedTransport(answer),
        Retry = new StoreRetryOptions(1, TimeSpan.Zero, TimeSpan.Zero),
    };

    private AzureBlobStore Store(Func<Request, Response> answer) => new(s_address, StoreCredential.Of(new FixedIdentity()), Options(answer));

    private sealed class FixedIdentity : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => new("token", DateTimeOffset.MaxValue);

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => ValueTask.FromResult(GetToken(requestContext, cancellationToken));
    }

    private sealed class NoIdentity : TokenCredential
    {
        public override AccessToken GetToken(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw new InvalidOperationException("nobody is signed in");

        public override ValueTask<AccessToken> GetTokenAsync(TokenRequestContext requestContext, CancellationToken cancellationToken) => throw new InvalidOperationException("nobody is signed in");
    }
}
