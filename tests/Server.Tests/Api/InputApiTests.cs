using System.Net;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Server.Tests.Api;

public sealed class InputApiTests
{
    private static readonly byte[] s_content = [.. Enumerable.Range(0, 1 << 20).Select(i => (byte)(i * 31))];
    private static readonly string s_digest = TestJob.Digest(s_content);

    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task An_input_is_there_once_it_was_put_and_may_be_put_again()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();

        Assert.Equal(HttpStatusCode.NotFound, await HeadAsync(client, s_digest));
        for (var i = 0; i < 2; i++)
            Assert.Equal(HttpStatusCode.NoContent, (await client.PutAsync($"{Routes.Inputs}/{s_digest}", new ByteArrayContent(s_content))).StatusCode);

        Assert.Equal(HttpStatusCode.NoContent, await HeadAsync(client, s_digest));
        Assert.Equal(s_content, (await _store.ReadAsync(BlobNames.Input("local", s_digest), CancellationToken.None))!.Content.ToArray());
    }

    [Fact]
    public async Task What_does_not_have_its_digest_is_refused_and_leaves_nothing()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();

        var refused = await TestJob.RefusedAsync(await client.PutAsync($"{Routes.Inputs}/{s_digest}", new ByteArrayContent(s_content[1..])), HttpStatusCode.UnprocessableEntity);

        Assert.Equal("digest-mismatch", refused.Code);
        Assert.Equal(HttpStatusCode.NotFound, await HeadAsync(client, s_digest));
    }

    [Fact]
    public async Task A_damaged_input_is_not_there_and_is_replaced()
    {
        await _store.CreateAsync(BlobNames.Input("local", s_digest), s_content.AsMemory(1), CancellationToken.None);
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();

        Assert.Equal(HttpStatusCode.NotFound, await HeadAsync(client, s_digest));
        Assert.Equal(HttpStatusCode.NoContent, (await client.PutAsync($"{Routes.Inputs}/{s_digest}", new ByteArrayContent(s_content))).StatusCode);
        Assert.Equal(HttpStatusCode.NoContent, await HeadAsync(client, s_digest));
    }

    [Theory]
    [InlineData("abc")]
    [InlineData("AAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAAA")]
    [InlineData("..%2F..%2Fcluster%2Fserver")]
    public async Task A_name_that_is_no_digest_is_refused(string name)
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();

        Assert.Equal("digest-invalid", (await TestJob.RefusedAsync(await client.PutAsync($"{Routes.Inputs}/{name}", new ByteArrayContent([1])), HttpStatusCode.UnprocessableEntity)).Code);
    }

    [Fact]
    public async Task Bodies_have_limits()
    {
        await using var server = await TestServer.StartAsync(_store, change: parts => parts with { MostInputBytes = 1_000 });
        using var client = await server.ActiveAsync();

        await TooLargeAsync(HttpMethod.Put, $"{Routes.Inputs}/{s_digest}", s_content);
        await TooLargeAsync(HttpMethod.Post, Routes.Lease, new byte[2 << 20]);
        Assert.Equal("body-invalid", (await TestJob.RefusedAsync(await client.PostAsync(Routes.Jobs, Json(string.Concat(Enumerable.Repeat("{\"plan\":", 100)))), HttpStatusCode.UnprocessableEntity)).Code);
        Assert.Equal("body-invalid", (await TestJob.RefusedAsync(await client.PostAsync(Routes.Jobs, Json("null")), HttpStatusCode.UnprocessableEntity)).Code);

        async Task TooLargeAsync(HttpMethod method, string path, byte[] body)
        {
            using var request = new HttpRequestMessage(method, path) { Content = new ByteArrayContent(body) };
            // Hears the refusal before it sends: who sends all the same may find the connection closed.
            request.Headers.ExpectContinue = true;
            Assert.Equal("body-too-large", (await TestJob.RefusedAsync(await client.SendAsync(request), HttpStatusCode.RequestEntityTooLarge)).Code);
        }
    }

    [Fact]
    public async Task A_store_that_fails_while_an_input_is_written_is_no_fault_of_the_input()
    {
        var fails = true;
        var failing = new FaultyBlobStore(_store, (_, operation, name) => fails && operation == "create" && name.Contains("/inputs/", StringComparison.Ordinal) ? StoreFault.LoseAnswer : StoreFault.None);
        await using var server = await TestServer.StartAsync(new RetryingBlobStore(failing, new StoreRetryOptions(2, TimeSpan.FromMilliseconds(1), TimeSpan.FromMilliseconds(2)), TimeProvider.System, () => 0.5));
        using var client = await server.ActiveAsync();

        Assert.Equal("store-unavailable", (await TestJob.RefusedAsync(await client.PutAsync($"{Routes.Inputs}/{s_digest}", new ByteArrayContent(s_content)), HttpStatusCode.ServiceUnavailable)).Code);
        fails = false;
        Assert.Equal(HttpStatusCode.NoContent, (await client.PutAsync($"{Routes.Inputs}/{s_digest}", new ByteArrayContent(s_content))).StatusCode);
    }

    private static StringContent Json(string text) => new(text, System.Text.Encoding.UTF8, "application/json");

    private static async Task<HttpStatusCode> HeadAsync(HttpClient client, string digest)
    {
        using var request = new HttpRequestMessage(HttpMethod.Head, $"{Routes.Inputs}/{digest}");
        return (await client.SendAsync(request)).StatusCode;
    }
}
