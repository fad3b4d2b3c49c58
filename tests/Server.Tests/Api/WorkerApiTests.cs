using System.Net;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Server.Tests.Api;

public sealed class WorkerApiTests
{
    private static readonly LeaseRequest s_request = new("w", [SampleJobs.Profile], 1);
    private static readonly WorkerRegistration s_registration = new("w", 1, [SampleJobs.Profile], [new WorkerDevice("cpu", "test", null)], "1");

    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task A_worker_that_is_not_known_registers_first()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();

        Assert.Equal("worker-unknown", (await TestJob.RefusedAsync(await client.SendJsonAsync(Routes.Lease, s_request), HttpStatusCode.NotFound)).Code);
        Assert.Equal("worker-unknown", (await TestJob.RefusedAsync(await client.SendJsonAsync(Routes.Heartbeat, new Heartbeat("w", [])), HttpStatusCode.NotFound)).Code);
        var terms = await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);

        Assert.Equal("shared", terms.Store);
        Assert.Equal(("w", "available"), (await client.GetAsync<WorkerView[]>(Routes.Workers)).Select(w => (w.Name, w.State)).Single());
    }

    [Fact]
    public async Task A_lease_is_renewed_completed_once_and_refused_the_second_time()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);
        await TestJob.SubmitAsync(client);

        var lease = Assert.Single(await client.PostAsync<Lease[]>(Routes.Lease, s_request));
        Assert.Equal([lease.Epoch], await client.PostAsync<Epoch[]>(Routes.Heartbeat, new Heartbeat("w", [new AttemptProgress(lease.Epoch, 0.5)])));
        var described = await client.GetAsync<JobDescription>(Routes.Job(TestJob.Id));
        Assert.Equal(("w", 0.5, lease.Unit.Id), described.Leases.Select(l => (l.Worker, l.Fraction, l.Unit)).Single());
        Assert.Equal("busy", (await client.GetAsync<WorkerView[]>(Routes.Workers)).Single().State);
        var handedBack = new Completion("w", lease.Epoch, Outcome.Cancelled("enough"));

        Assert.True(await client.PostAsync<bool>(Routes.Complete, handedBack));
        Assert.False(await client.PostAsync<bool>(Routes.Complete, handedBack));
        Assert.Empty(await client.PostAsync<Epoch[]>(Routes.Heartbeat, new Heartbeat("w", [new AttemptProgress(lease.Epoch, 0.5)])));
    }

    [Fact]
    public async Task A_job_that_waits_says_what_for()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        await TestJob.SubmitAsync(client);
        await TestJob.UntilAsync(client, "no-worker");

        var other = s_registration with { Profiles = ["another"] };
        await client.PostAsync<WorkerTerms>(Routes.Register, other);
        var asking = client.SendJsonAsync(Routes.Lease, s_request with { Profiles = ["another"] });
        var explained = await TestJob.UntilAsync(client, "no-matching-worker");
        Assert.Contains(SampleJobs.Profile, explained.Message, StringComparison.Ordinal);
        Assert.All(explained.Units, unit => Assert.Equal("no-matching-worker", unit.Code));

        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration with { Worker = "second" });
        await client.PostAsync<Lease[]>(Routes.Lease, s_request with { Worker = "second" });
        Assert.Contains((await TestJob.UntilAsync(client, "running")).Units, unit => unit.Code == "running");
        Assert.False(asking.IsCompleted);
    }

    [Fact]
    public async Task A_stolen_key_speaks_for_no_worker_that_came_with_another_nor_for_one_that_it_is_not_for()
    {
        var (first, bound, tenant) = (KeyRing.Create(KeyRole.Worker, "pool"), KeyRing.Create(KeyRole.Worker, "edge", "edge-*"), KeyRing.Create(KeyRole.Tenant, "local"));
        await using var server = await TestServer.StartAsync(_store, keys: KeyRing.Read("keys", $"{first.Line}\n{bound.Line}\n{tenant.Line}"));
        using var user = await server.ActiveAsync(tenant.Key);
        using var client = server.Client(first.Key);
        using var thief = server.Client(bound.Key);
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);
        await TestJob.SubmitAsync(user);
        var lease = Assert.Single(await client.PostAsync<Lease[]>(Routes.Lease, s_request));
        var completion = new Completion("w", lease.Epoch, Outcome.Cancelled("stolen"));

        await ForeignAsync(Routes.Register, s_registration);
        await ForeignAsync(Routes.Lease, s_request);
        await ForeignAsync(Routes.Heartbeat, new Heartbeat("w", [new AttemptProgress(lease.Epoch, 0.5)]));
        await ForeignAsync(Routes.Complete, completion);
        await ForeignAsync(Routes.Grants, new GrantRequest("w", lease.Epoch, [], []));
        Assert.Equal(HttpStatusCode.Forbidden, (await thief.DeleteAsync($"{Routes.Register}/w")).StatusCode);

        // In its own name it says nothing of another's lease.
        await thief.PostAsync<WorkerTerms>(Routes.Register, s_registration with { Worker = "edge-1" });
        Assert.Empty(await thief.PostAsync<Epoch[]>(Routes.Heartbeat, new Heartbeat("edge-1", [new AttemptProgress(lease.Epoch, 0.5)])));
        Assert.False(await thief.PostAsync<bool>(Routes.Complete, completion with { Worker = "edge-1" }));
        Assert.True(await client.PostAsync<bool>(Routes.Complete, completion));
        // Nor does a key that is for all take a name that another has.
        await RefusedAsync(client, Routes.Register, s_registration with { Worker = "edge-1" });

        Task ForeignAsync(string path, object body) => RefusedAsync(thief, path, body);
        static async Task RefusedAsync(HttpClient who, string path, object body) =>
            Assert.Equal("worker-foreign", (await TestJob.RefusedAsync(await who.SendJsonAsync(path, body), HttpStatusCode.Forbidden)).Code);
    }

    [Fact]
    public async Task Grants_are_for_the_lease_s_own_inputs_and_outputs_only()
    {
        await using var server = await TestServer.StartAsync(_store, change: parts => parts with
        {
            Grants = (reads, creates, _) => Task.FromResult<IReadOnlyList<BlobGrant>>([.. reads.Concat(creates).Select(name => new BlobGrant(name, new Uri($"https://store.test/{name}?sig"), DateTimeOffset.UnixEpoch))]),
        });
        using var client = await server.ActiveAsync();
        Assert.Equal("grants", (await client.PostAsync<WorkerTerms>(Routes.Register, s_registration)).Store);
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration with { Worker = "other" });
        await TestJob.SubmitAsync(client);
        var lease = Assert.Single(await client.PostAsync<Lease[]>(Routes.Lease, s_request));
        string[] inputs = [.. lease.Unit.Inputs.Select(i => i.Blob.Name)];
        var output = BlobNames.Output(lease.OutputPrefix, "gram/0");

        var grants = await client.PostAsync<BlobGrant[]>(Routes.Grants, new GrantRequest("w", lease.Epoch, [.. inputs, output], [output]));

        Assert.Equal([.. inputs, output, output], grants.Select(g => g.Name));
        await RefusedAsync(new GrantRequest("w", lease.Epoch, ["local/inputs/" + new string('f', 64)], []), HttpStatusCode.Forbidden, "not-granted");
        await RefusedAsync(new GrantRequest("w", lease.Epoch, [lease.OutputPrefix + "x/gram"], []), HttpStatusCode.Forbidden, "not-granted");
        await RefusedAsync(new GrantRequest("w", lease.Epoch, [], [lease.OutputPrefix + "x/gram"]), HttpStatusCode.Forbidden, "not-granted");
        await RefusedAsync(new GrantRequest("w", lease.Epoch, [], [lease.OutputPrefix + "/../../gram"]), HttpStatusCode.Forbidden, "not-granted");
        await RefusedAsync(new GrantRequest("other", lease.Epoch, inputs, []), HttpStatusCode.Conflict, "lease-ended");
        await client.PostAsync<bool>(Routes.Complete, new Completion("w", lease.Epoch, Outcome.Cancelled("enough")));
        await RefusedAsync(new GrantRequest("w", lease.Epoch, inputs, []), HttpStatusCode.Conflict, "lease-ended");

        async Task RefusedAsync(GrantRequest request, HttpStatusCode status, string code) =>
            Assert.Equal(code, (await TestJob.RefusedAsync(await client.SendJsonAsync(Routes.Grants, request), status)).Code);
    }

    [Fact]
    public async Task States_on_the_way_are_granted_to_units_that_reconstruct_and_below_their_own_key_only()
    {
        await using var server = await TestServer.StartAsync(_store, change: parts => parts with
        {
            Grants = (reads, creates, _) => Task.FromResult<IReadOnlyList<BlobGrant>>([.. reads.Concat(creates).Select(name => new BlobGrant(name, new Uri($"https://store.test/{name}?sig"), DateTimeOffset.UnixEpoch))]),
        });
        using var client = await server.ActiveAsync();
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);
        var recipe = SampleJobs.Recipe(new ReconstructStep("brecq", 4) { Granularity = Granularity.Net, Iterations = 100 }) with { FirstLastBits = FirstLastBits.Same };
        await TestJob.SubmitAsync(client, TestJob.Make(Planner.Plan(SampleJobs.Request(recipe, SampleJobs.ThreeLayers()))));
        var lease = await LeaseAsync();
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(StateOf(lease.Unit.Key)));
        while (lease.Unit.Kind != UnitKind.Reconstruct)
        {
            UnitOutput[] outputs = [.. EchoOutputs.Roles(lease.Unit).Select(role => new UnitOutput(role, new BlobRef(BlobNames.Output(lease.OutputPrefix, role), SampleJobs.Digest('1'), 1)))];
            // Activations that are gone would be captured anew.
            foreach (var output in outputs)
                await _store.CreateAsync(output.Blob.Name, new byte[1], CancellationToken.None);
            await client.PostAsync<bool>(Routes.Complete, new Completion("w", lease.Epoch, Outcome.Completed(outputs, EchoOutputs.Metrics(lease.Unit))));
            lease = await LeaseAsync();
        }

        Assert.Equal(HttpStatusCode.OK, await AskAsync(StateOf(lease.Unit.Key)));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(StateOf(new string('f', 64))));
        Assert.Equal(HttpStatusCode.Forbidden, await AskAsync(StateOf(lease.Unit.Key).Replace("local/", "other/", StringComparison.Ordinal)));

        async Task<Lease> LeaseAsync() => Assert.Single(await client.PostAsync<Lease[]>(Routes.Lease, s_request));
        async Task<HttpStatusCode> AskAsync(string name) => (await client.SendJsonAsync(Routes.Grants, new GrantRequest("w", lease.Epoch, [name], [name]))).StatusCode;
        static string StateOf(string key) => BlobNames.State(BlobNames.StatePrefix("local", key), 0, 1);
    }

    [Fact]
    public async Task A_store_that_gives_no_grants_says_so()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);

        Assert.Equal("store-shared", (await TestJob.RefusedAsync(await client.SendJsonAsync(Routes.Grants, new GrantRequest("w", new Epoch(1, 1), [], [])), HttpStatusCode.NotImplemented)).Code);
    }

    [Fact]
    public async Task A_request_for_units_ends_when_the_server_stops()
    {
        var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);
        var waiting = client.SendJsonAsync(Routes.Lease, s_request);

        await server.DisposeAsync();

        try
        {
            Assert.Equal(HttpStatusCode.ServiceUnavailable, (await waiting.WaitAsync(TimeSpan.FromSeconds(10))).StatusCode);
        }
        catch (HttpRequestException)
        {
            // The connection went before the answer did: the worker asks the next server all the same.
        }
    }

    [Fact]
    public async Task A_worker_that_drains_is_listed_as_such_until_it_registers_again()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);

        Assert.Equal(HttpStatusCode.NoContent, (await client.DeleteAsync($"{Routes.Register}/w")).StatusCode);
        Assert.Equal("draining", (await client.GetAsync<WorkerView[]>(Routes.Workers)).Single().State);
        await client.PostAsync<WorkerTerms>(Routes.Register, s_registration);
        Assert.Equal("available", (await client.GetAsync<WorkerView[]>(Routes.Workers)).Single().State);
    }
}
