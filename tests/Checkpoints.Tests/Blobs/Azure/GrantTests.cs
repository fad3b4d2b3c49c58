using System.Net;
using System.Net.Http.Headers;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Checkpoints.Tests.Blobs.Azure;

/// <summary>What a grant opens, and what it does not, asked of the service itself and through the store that lives on grants.</summary>
[Collection(AzuriteTests.Name)]
public sealed class GrantTests(AzuriteFixture azurite) : IAsyncLifetime, IDisposable
{
    private const string Input = "local/inputs/1";
    private const string Output = "local/attempts/1/weights";
    private const string Foreign = "other/inputs/1";
    private const int BlockBytes = 1 << 12;

    private static readonly byte[] s_content = [1, 2, 3];

    private readonly HttpClient _http = new();
    private readonly DirectoryInfo _scratch = Directory.CreateTempSubdirectory("orchestrator-grants-");
    private AzureBlobStore? _store;

    private AzureBlobStore Store => _store!;

    public async Task InitializeAsync()
    {
        if (AzuriteServer.Missing is not null)
            return;
        _store = await azurite.Server.OpenAsync($"test-{Guid.NewGuid():n}");
        foreach (var name in new[] { Input, Foreign })
            await _store.CreateAsync(name, s_content, CancellationToken.None);
    }

    public Task DisposeAsync() => Task.CompletedTask;

    public void Dispose()
    {
        _http.Dispose();
        _scratch.Delete(recursive: true);
    }

    [AzuriteFact]
    public async Task A_grant_to_read_reads_its_blob_and_nothing_else()
    {
        var grant = await GrantAsync(Input, BlobAccess.Read);

        Assert.Equal(s_content, await _http.GetByteArrayAsync(grant));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Get, Elsewhere(grant, Foreign)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Put, grant));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Put, Elsewhere(grant, Output)));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Delete, grant));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Get, Listing(grant)));
        Assert.Equal([Input, Foreign], await Store.NamesAsync(""));
    }

    [AzuriteFact]
    public async Task A_grant_to_create_creates_its_blob_once_and_does_nothing_else()
    {
        var grant = await GrantAsync(Output, BlobAccess.Create);

        Assert.Equal(HttpStatusCode.Created, await SendAsync(HttpMethod.Put, grant));
        // No condition is sent: it is the grant that forbids it.
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Put, grant, "overwritten"));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Get, grant));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Delete, grant));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Put, Elsewhere(grant, "local/attempts/2/weights")));
        Assert.Equal(HttpStatusCode.Forbidden, await SendAsync(HttpMethod.Get, Listing(grant)));
        Assert.Equal("content"u8.ToArray(), (await Store.ReadAsync(Output, CancellationToken.None))!.Content.ToArray());
    }

    [AzuriteFact]
    public async Task An_expired_grant_is_refused_with_an_error_that_says_so_and_shows_no_secret()
    {
        var expired = new GrantedAddress(await Store.GrantAsync(Input, BlobAccess.Read, DateTimeOffset.UtcNow.AddMinutes(-1), CancellationToken.None), DateTimeOffset.MaxValue);
        var granted = Granted((_, _) => Task.FromResult(expired));

        var refused = await Assert.ThrowsAsync<StoreAccessException>(() => granted.ReadAsync(Input, CancellationToken.None));

        Assert.Contains("expired", refused.Message, StringComparison.Ordinal);
        var signature = expired.Address.Query.Split("sig=")[1];
        foreach (var text in new[] { refused.ToString(), expired.ToString() })
        {
            Assert.DoesNotContain(signature, text, StringComparison.Ordinal);
            Assert.DoesNotContain(Uri.UnescapeDataString(signature), text, StringComparison.Ordinal);
        }
    }

    [AzuriteFact]
    public async Task A_store_of_grants_reads_inputs_and_creates_outputs_of_any_size_once()
    {
        var large = new byte[5 * BlockBytes + 7];
        new Random(7).NextBytes(large);
        await Store.CreateAsync("local/inputs/large", large, CancellationToken.None);
        var granted = Granted((name, access) => GrantedAsync(name, access));
        var tensors = new TensorBlobs(granted);

        Assert.Equal(s_content, (await granted.ReadAsync(Input, CancellationToken.None))!.Content.ToArray());
        Assert.Equal(large, (await granted.ReadAsync("local/inputs/large", CancellationToken.None))!.Content.ToArray());
        Assert.Null(await granted.ReadAsync("local/inputs/none", CancellationToken.None));
        var whole = await tensors.WriteAsync("local/attempts/1/whole", large, CancellationToken.None);
        var pieces = await tensors.WriteAsync("local/attempts/1/pieces", (stream, token) => stream.WriteAsync(large, token).AsTask(), CancellationToken.None);
        // Told again, as after a lost answer: read back and found equal.
        await tensors.WriteAsync("local/attempts/1/whole", large, CancellationToken.None);

        Assert.Equal(whole.Sha256, pieces.Sha256);
        Assert.False(await granted.CreateAsync("local/attempts/1/whole", s_content, CancellationToken.None));
        foreach (var blob in new[] { whole, pieces })
            Assert.Equal(large, (await new TensorBlobs(Store).ReadAsync(blob, CancellationToken.None)).ToArray());
        Assert.Empty(_scratch.GetFiles());
    }

    [AzuriteFact]
    public async Task States_of_units_are_left_and_found_by_those_who_may_not_list()
    {
        var key = new string('a', 64);
        UnitStates States() => new TensorBlobs(Granted((name, access) => GrantedAsync(name, access))).StatesOf("local", new WorkUnit
        {
            Id = "u", Key = key, Kind = UnitKind.Reconstruct, Spec = new OutlineSpec(BatchNormMode.Fold), Inputs = [], Profile = "p", Cost = 1,
        });
        Assert.Null(await States().ReadNewestAsync(CancellationToken.None));

        for (var number = 1; number <= 5; number++)
            await States().WriteAsync(new UnitState(number, new byte[] { (byte)number }), CancellationToken.None);
        // Of a worker whose lease has ended.
        await States().WriteAsync(new UnitState(3, new byte[] { 9 }), CancellationToken.None);

        var newest = (await States().ReadNewestAsync(CancellationToken.None))!.Value;
        Assert.Equal((5, 5), (newest.Number, newest.Content.Span[0]));
    }

    [AzuriteFact]
    public async Task A_grant_is_asked_for_once_while_it_holds_and_again_before_and_after_it_ends()
    {
        var asked = 0;
        var lives = TimeSpan.FromHours(1);
        var granted = Granted(async (name, access) =>
        {
            asked++;
            return await GrantedAsync(name, access, lives);
        });

        for (var i = 0; i < 3; i++)
            await granted.ReadAsync(Input, CancellationToken.None);
        Assert.Equal(1, asked);
        granted.Take(Input, BlobAccess.Read, await GrantedAsync(Input, BlobAccess.Read, TimeSpan.FromSeconds(5)));
        await granted.ReadAsync(Input, CancellationToken.None);
        Assert.Equal(2, asked);
        // Ended before its time: the service refuses, and one more is asked for.
        granted.Take(Input, BlobAccess.Read, new GrantedAddress(await Store.GrantAsync(Input, BlobAccess.Read, DateTimeOffset.UtcNow.AddMinutes(-1), CancellationToken.None), DateTimeOffset.UtcNow.AddHours(1)));
        Assert.NotNull(await granted.ReadAsync(Input, CancellationToken.None));
        Assert.Equal(3, asked);
    }

    [AzuriteFact]
    public async Task A_store_of_grants_replaces_deletes_and_lists_nothing()
    {
        var granted = Granted((name, access) => GrantedAsync(name, access));

        await Assert.ThrowsAsync<StoreAccessException>(() => granted.DeleteAsync(Input, CancellationToken.None));
        await Assert.ThrowsAsync<StoreAccessException>(() => granted.ReplaceAsync("local/a.head", s_content, null, CancellationToken.None));
        await Assert.ThrowsAsync<StoreAccessException>(() => granted.NamesAsync(""));
    }

    [AzuriteFact]
    public async Task A_store_opened_with_a_signature_cannot_grant()
    {
        var signature = (await GrantAsync(Input, BlobAccess.Read)).Query;
        var store = new AzureBlobStore(Store.Address, StoreCredential.Parse(signature, Store.Address, "file"), AzuriteServer.Options);

        await Assert.ThrowsAsync<StoreAccessException>(() => store.GrantAsync(Input, BlobAccess.Read, DateTimeOffset.UtcNow.AddHours(1), CancellationToken.None));
    }

    private Task<Uri> GrantAsync(string name, BlobAccess access) => Store.GrantAsync(name, access, DateTimeOffset.UtcNow.AddHours(1), CancellationToken.None);

    private async Task<GrantedAddress> GrantedAsync(string name, BlobAccess access, TimeSpan? lives = null)
    {
        var until = DateTimeOffset.UtcNow + (lives ?? TimeSpan.FromHours(1));
        return new GrantedAddress(await Store.GrantAsync(name, access, until, CancellationToken.None), until);
    }

    private GrantedBlobStore Granted(Func<string, BlobAccess, Task<GrantedAddress>> ask) =>
        new((name, access, _) => ask(name, access), AzuriteServer.Options with { BlockBytes = BlockBytes }, _scratch.FullName);

    private static Uri Elsewhere(Uri grant, string name) => new(grant.AbsoluteUri.Replace(string.Concat(grant.Segments[3..]), name, StringComparison.Ordinal));

    private static Uri Listing(Uri grant) => new($"{grant.GetLeftPart(UriPartial.Authority)}{string.Concat(grant.Segments[..3]).TrimEnd('/')}{grant.Query}&restype=container&comp=list");

    private async Task<HttpStatusCode> SendAsync(HttpMethod method, Uri uri, string content = "content")
    {
        using var request = new HttpRequestMessage(method, uri);
        request.Headers.Add("x-ms-version", "2024-11-04");
        if (method == HttpMethod.Put)
        {
            request.Content = new StringContent(content, new MediaTypeHeaderValue("application/octet-stream"));
            request.Headers.Add("x-ms-blob-type", "BlockBlob");
        }

        using var answer = await _http.SendAsync(request);
        return answer.StatusCode;
    }
}
