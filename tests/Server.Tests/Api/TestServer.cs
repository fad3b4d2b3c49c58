using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Microsoft.AspNetCore.Routing;
using Microsoft.Extensions.DependencyInjection;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Api;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Server.Tests.Api;

/// <summary>A server on a free loopback port, over a store that lives as long as the test.</summary>
internal sealed class TestServer : IAsyncDisposable
{
    // A right of eight seconds: on a busy machine a renewal may come seconds late, and a test must not lose its server by that.
    private static readonly LeadershipOptions s_leadership = new(
        TimeSpan.FromMilliseconds(200), TimeSpan.FromSeconds(9), TimeSpan.FromSeconds(1), TimeSpan.FromMilliseconds(100), TimeSpan.FromMilliseconds(500));

    private readonly CancellationTokenSource _stop;
    private readonly Task _running;
    private readonly ApiHost _host;

    private TestServer(ServerNode node, ApiHost host, Task running, CancellationTokenSource stop) => (Node, _host, _running, _stop) = (node, host, running, stop);

    public ServerNode Node { get; }

    public Uri Address => _host.Address;

    /// <param name="store">Shared by servers of one cluster.</param>
    public static async Task<TestServer> StartAsync(IBlobStore store, string name = "server", KeyRing? keys = null, Func<ApiParts, ApiParts>? change = null)
    {
        var stop = new CancellationTokenSource();
        var node = new ServerNode(ServerNodeOptions.Default with { Leadership = s_leadership, Pause = TimeSpan.FromMilliseconds(100) }, new ServerNodeParts(
            new ServerIdentity(name, new Uri($"http://{name}.test"), Guid.NewGuid().ToString("N")),
            store,
            TimeProvider.System,
            _ => new EmbeddedHost(store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster }, TimeProvider.System),
            FoldOf(store),
            _ => { }));
        var parts = new ApiParts(node, store, "test") { Keys = keys, Stopping = stop.Token };
        var host = ApiHost.Create(change?.Invoke(parts) ?? parts, new Uri("http://127.0.0.1:0"));
        await host.StartAsync(CancellationToken.None);
        return new TestServer(node, host, node.RunAsync(stop.Token), stop);
    }

    public static FoldJob FoldOf(IBlobStore store) => async (scope, plan, token) =>
    {
        var job = new StoredJob(new CheckpointStore(store), scope, plan);
        await job.ReadAsync(null, token);
        return new StoredResult(job.Model, job.ModelData, job.Summarize(), job.Units, job.Fold ?? "");
    };

    public IReadOnlyList<(string Method, string Path, Access? Access)> Endpoints() =>
        [.. _host.Services.GetRequiredService<EndpointDataSource>().Endpoints.OfType<RouteEndpoint>().SelectMany(e =>
            e.Metadata.GetMetadata<IHttpMethodMetadata>()!.HttpMethods.Select(method => (method, $"/{e.RoutePattern.RawText!.TrimStart('/')}", e.Metadata.GetMetadata<Access>())))];

    public HttpClient Client(string? key = null)
    {
        var client = new HttpClient { BaseAddress = Address };
        if (key is not null)
            client.DefaultRequestHeaders.Authorization = new AuthenticationHeaderValue("Bearer", key);
        return client;
    }

    /// <summary>Waits until it is the active server.</summary>
    public async Task<HttpClient> ActiveAsync(string? key = null)
    {
        var client = Client(key);
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(30));
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        while (Node.TryActive() is null && await tick.WaitForNextTickAsync(patience.Token))
        {
        }

        return client;
    }

    public async ValueTask DisposeAsync()
    {
        await _stop.CancelAsync();
        await _host.DisposeAsync();
        await _running;
        _stop.Dispose();
    }
}

/// <summary>A small job over HTTP, as client and worker see it.</summary>
internal static class TestJob
{
    private static readonly byte[][] s_sources = [[.. Enumerable.Range(0, 64).Select(i => (byte)i)], [.. Enumerable.Range(0, 80).Select(i => (byte)(i * 3))], [.. Enumerable.Range(0, 96).Select(i => (byte)(i * 7))]];

    public static JobPlan Plan { get; } = Make(SampleJobs.Plan());

    public static string Id => Plan.ComputeJobId();

    public static JobSubmission Submission(JobPlan? plan = null, bool fresh = false)
    {
        var stamps = s_sources.Select((content, i) => new SourceStamp($"file{i}", Digest(content), content.Length)).ToArray();
        return new JobSubmission("sample", plan ?? Plan, SampleJobs.ThreeLayers(), new JobSources(stamps[0], stamps[0], stamps[1], stamps[2]), fresh);
    }

    public static JobPlan Make(JobPlan plan) => plan with
    {
        Settings = plan.Settings with
        {
            Model = new SourceBlob(Digest(s_sources[0]), s_sources[0].Length),
            Calibration = new SourceBlob(Digest(s_sources[1]), s_sources[1].Length),
            Evaluation = new SourceBlob(Digest(s_sources[2]), s_sources[2].Length),
        },
    };

    public static async Task PutSourcesAsync(HttpClient client)
    {
        foreach (var content in s_sources)
            (await client.PutAsync($"{Routes.Inputs}/{Digest(content)}", new ByteArrayContent(content))).EnsureSuccessStatusCode();
    }

    public static async Task ImportSourcesAsync(IBlobStore store, string tenant = "local")
    {
        foreach (var content in s_sources)
            await new TensorBlobs(store).ImportAsync(tenant, Digest(content), content.Length, () => new MemoryStream(content), CancellationToken.None);
    }

    public static async Task<JobView> SubmitAsync(HttpClient client, JobPlan? plan = null, bool fresh = false)
    {
        await PutSourcesAsync(client);
        return await client.PostAsync<JobView>(Routes.Jobs, Submission(plan, fresh));
    }

    public static async Task<T> PostAsync<T>(this HttpClient client, string path, object? body = null) => await ReadAsync<T>(await client.SendJsonAsync(path, body));

    public static Task<HttpResponseMessage> SendJsonAsync(this HttpClient client, string path, object? body) =>
        client.PostAsync(path, body is null ? null : JsonContent.Create(body, body.GetType(), options: CanonicalJson.Options));

    public static async Task<T> GetAsync<T>(this HttpClient client, string path) => await ReadAsync<T>(await client.GetAsync(path));

    public static async Task<T> ReadAsync<T>(HttpResponseMessage response)
    {
        Assert.True(response.IsSuccessStatusCode, $"{response.RequestMessage?.RequestUri}: {response.StatusCode} {await response.Content.ReadAsStringAsync()}");
        return (await response.Content.ReadFromJsonAsync<T>(CanonicalJson.Options))!;
    }

    public static async Task<ProblemBody> RefusedAsync(HttpResponseMessage response, System.Net.HttpStatusCode status)
    {
        Assert.Equal(status, response.StatusCode);
        return JsonSerializer.Deserialize<ProblemBody>(await response.Content.ReadAsStringAsync(), CanonicalJson.Options)!;
    }

    /// <summary>Asks why until the answer is as expected: a job that was submitted just now is being started.</summary>
    public static async Task<JobExplanation> UntilAsync(HttpClient client, string code)
    {
        using var tick = new PeriodicTimer(TimeSpan.FromMilliseconds(20));
        using var patience = new CancellationTokenSource(TimeSpan.FromSeconds(20));
        while (true)
        {
            var explanation = await client.GetAsync<JobExplanation>(Routes.Explain(Id));
            if (explanation.Code == code)
                return explanation;
            await tick.WaitForNextTickAsync(patience.Token);
        }
    }

    /// <summary>The view at the end of a watch.</summary>
    public static async Task<JobView> EndAsync(HttpClient client, string id)
    {
        using var patience = new CancellationTokenSource(TimeSpan.FromMinutes(1));
        var lines = await client.GetStringAsync(Routes.Watch(id), patience.Token);
        return JsonSerializer.Deserialize<JobView>(lines.Split('\n', StringSplitOptions.RemoveEmptyEntries)[^1], CanonicalJson.Options)!;
    }

    public static string Digest(byte[] content) => Convert.ToHexStringLower(SHA256.HashData(content));
}
