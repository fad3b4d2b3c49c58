using System.Net;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;
using Orchestrator.Server.Api;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Tests.Api;

/// <summary>Every endpoint that there is, called by everyone who may not.</summary>
public sealed class AccessTests
{
    private static readonly (string Key, string Line) s_worker = KeyRing.Create(KeyRole.Worker, "pool");
    private static readonly (string Key, string Line) s_tenant = KeyRing.Create(KeyRole.Tenant, "vision");
    private static readonly (string Key, string Line) s_other = KeyRing.Create(KeyRole.Tenant, "audio");
    private static readonly KeyRing s_keys = KeyRing.Read("keys", string.Join('\n', s_worker.Line, s_tenant.Line, s_other.Line));

    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task Nobody_gets_in_without_a_key_or_with_that_of_another_role_and_nobody_sees_another_tenant_s_jobs()
    {
        await using var server = await TestServer.StartAsync(_store, keys: s_keys);
        using var tenant = await server.ActiveAsync(s_tenant.Key);
        var id = (await TestJob.SubmitAsync(tenant)).Id;
        var endpoints = server.Endpoints();
        var (open, refused, hidden) = (0, 0, 0);

        foreach (var (method, path, access) in endpoints.Select(e => (e.Method, e.Path.Replace("{id}", id, StringComparison.Ordinal).Replace("{sha256}", new string('a', 64), StringComparison.Ordinal).Replace("{worker}", "w", StringComparison.Ordinal), e.Access)))
        {
            Assert.NotNull(access);
            if (access.IsOpen)
            {
                open++;
                continue;
            }

            foreach (var key in (string?[])[null, "", "unknown", s_tenant.Line.Split(' ')[^1]])
                Assert.True(HttpStatusCode.Unauthorized == await StatusAsync(server, method, path, key), $"{method} {path} with key '{key}'");
            var wrong = access.Role switch { KeyRole.Worker => s_tenant.Key, KeyRole.Tenant => s_worker.Key, _ => null };
            if (wrong is not null)
                Assert.True(HttpStatusCode.Forbidden == await StatusAsync(server, method, path, wrong), $"{method} {path} with a key of the other role");
            refused++;
            if (path.Contains(id, StringComparison.Ordinal))
            {
                Assert.True(HttpStatusCode.NotFound == await StatusAsync(server, method, path, s_other.Key), $"{method} {path} of another tenant");
                hidden++;
            }
        }

        // Grows with the API; an endpoint more is looked at here by itself.
        Assert.Equal((2, 23, 10), (open, refused, hidden));
        using var other = server.Client(s_other.Key);
        Assert.Empty(await other.GetAsync<JobView[]>(Routes.Jobs));
        Assert.Equal(JobState.Running, (await tenant.GetAsync<JobDescription>(Routes.Job(id))).Job.State);
    }

    [Fact]
    public async Task A_path_that_is_not_served_is_refused_without_a_key_like_any_other()
    {
        await using var server = await TestServer.StartAsync(_store, keys: s_keys);

        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "GET", "/v1/secrets", null));
        Assert.Equal(HttpStatusCode.NotFound, await StatusAsync(server, "GET", "/v1/secrets", s_tenant.Key));
        Assert.Equal(HttpStatusCode.Unauthorized, await StatusAsync(server, "DELETE", Routes.Jobs, null));
    }

    [Fact]
    public async Task Equal_jobs_of_two_tenants_are_two_jobs()
    {
        await using var server = await TestServer.StartAsync(_store, keys: s_keys);
        using var tenant = await server.ActiveAsync(s_tenant.Key);
        using var other = server.Client(s_other.Key);
        var (first, second) = (await TestJob.SubmitAsync(tenant), await TestJob.SubmitAsync(other));

        await tenant.PostAsync<JobView>(Routes.Act(first.Id, "cancel"));

        Assert.Equal(("vision", "audio"), (first.Tenant, second.Tenant));
        Assert.Equal(first.Id, second.Id);
        Assert.NotEqual(JobState.Ended, (await other.GetAsync<JobDescription>(Routes.Job(second.Id))).Job.State);
    }

    [Theory]
    [InlineData("http://0.0.0.0:0")]
    [InlineData("http://192.0.2.1:0")]
    public void Without_keys_a_server_listens_on_loopback_only(string listen) =>
        Assert.Equal("keys-missing", Assert.Throws<InputException>(() => ApiHost.Create(new ApiParts(null!, _store, "test"), new Uri(listen))).Code);

    private static async Task<HttpStatusCode> StatusAsync(TestServer server, string method, string path, string? key)
    {
        using var client = server.Client(key);
        using var request = new HttpRequestMessage(new HttpMethod(method), path);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        return (await client.SendAsync(request, HttpCompletionOption.ResponseHeadersRead, patience.Token)).StatusCode;
    }
}
