using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Servers;
using Orchestrator.TestKit.Time;
using Orchestrator.Worker.Servers;

namespace Orchestrator.Worker.Tests.Servers;

public sealed class HttpSchedulerTests
{
    private const string Key = "secret";

    private static readonly WorkerTerms s_terms = new(TimeSpan.FromSeconds(5), "shared");
    private static readonly Lease s_lease = new(Unit(), new Epoch(7, 1), "local/attempts/1", TimeSpan.FromSeconds(30)) { Waited = TimeSpan.FromSeconds(2) };
    private static readonly Outcome s_outcome = Outcome.Completed([new UnitOutput("order", new BlobRef("local/x", SampleJobs.Digest('a'), 3))], new UnitMetrics { Loss = 0.1 });

    [Fact]
    public async Task A_lease_and_an_outcome_arrive_as_they_were_sent()
    {
        await using var server = await FakeServer.StartAsync(Answer);
        using var scheduler = Scheduler(server.Address);

        var leases = await scheduler.LeaseAsync(Request(), CancellationToken.None);
        var accepted = await scheduler.CompleteAsync(s_lease.Epoch, s_outcome, CancellationToken.None);

        Assert.Equal(CanonicalJson.Digest(s_lease), CanonicalJson.Digest(leases.Single()));
        Assert.Equal(s_lease.Waited, leases.Single().Waited);
        Assert.True(accepted);
        Assert.Equal([WorkerRoutes.Registrations, WorkerRoutes.Leases, WorkerRoutes.Completions], server.Requests.Select(r => r.Path));
        Assert.All(server.Requests, request => Assert.Equal($"Bearer {Key}", request.Authorization));
        var completion = server.Requests[2].As<Completion>();
        Assert.Equal(("w", s_lease.Epoch, CanonicalJson.Digest(s_outcome)), (completion.Worker, completion.Epoch, CanonicalJson.Digest(completion.Outcome)));
    }

    [Theory]
    [InlineData(503)]
    [InlineData(502)]
    public async Task A_server_that_is_not_the_active_one_is_passed_over_and_not_asked_first_again(int status)
    {
        await using var standby = await FakeServer.StartAsync(_ => new FakeAnswer(status));
        await using var active = await FakeServer.StartAsync(Answer);
        using var scheduler = Scheduler(standby.Address, active.Address);

        await scheduler.HeartbeatAsync(new Heartbeat("w", [new AttemptProgress(s_lease.Epoch, 0.5)]), CancellationToken.None);
        await scheduler.LeaseAsync(Request(), CancellationToken.None);

        Assert.Single(standby.Requests);
        Assert.Equal([WorkerRoutes.Registrations, WorkerRoutes.Heartbeats, WorkerRoutes.Leases], active.Requests.Select(r => r.Path));
    }

    [Fact]
    public async Task A_server_that_nobody_reaches_is_passed_over()
    {
        await using var active = await FakeServer.StartAsync(Answer);
        using var scheduler = Scheduler(await FakeServer.NowhereAsync(), active.Address);

        Assert.Single(await scheduler.LeaseAsync(Request(), CancellationToken.None));
    }

    [Fact]
    public async Task A_lost_answer_means_that_the_outcome_is_not_known_and_a_new_registration()
    {
        var lose = false;
        await using var server = await FakeServer.StartAsync(request => lose && request.Path == WorkerRoutes.Completions ? FakeAnswer.Lost : Answer(request));
        using var scheduler = Scheduler(server.Address);
        await scheduler.LeaseAsync(Request(), CancellationToken.None);
        lose = true;

        await Assert.ThrowsAsync<IOException>(() => scheduler.CompleteAsync(s_lease.Epoch, s_outcome, CancellationToken.None));
        lose = false;
        Assert.True(await scheduler.CompleteAsync(s_lease.Epoch, s_outcome, CancellationToken.None));

        Assert.Equal(2, server.Requests.Count(r => r.Path == WorkerRoutes.Registrations));
    }

    [Fact]
    public async Task An_answer_that_does_not_come_in_time_is_none_and_the_next_server_is_asked()
    {
        var clock = new ManualClock();
        var asked = new TaskCompletionSource();
        await using var silent = await FakeServer.StartAsync(async request =>
        {
            if (request.Path == WorkerRoutes.Heartbeats)
            {
                asked.SetResult();
                await new TaskCompletionSource().Task.WaitAsync(request.Gone);
            }

            return Answer(request);
        });
        await using var active = await FakeServer.StartAsync(Answer);
        using var scheduler = Scheduler(clock, silent.Address, active.Address);
        await scheduler.RegisterAsync(CancellationToken.None);

        var heartbeat = scheduler.HeartbeatAsync(new Heartbeat("w", [new AttemptProgress(s_lease.Epoch, 0)]), CancellationToken.None);
        await asked.Task;
        clock.Advance(s_terms.HeartbeatEvery);

        Assert.Equal([s_lease.Epoch], await heartbeat);
    }

    [Fact]
    public async Task A_request_for_units_waits_longer_than_the_server_lets_it()
    {
        var clock = new ManualClock();
        var (asked, answer) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var server = await FakeServer.StartAsync(async request =>
        {
            if (request.Path == WorkerRoutes.Leases)
            {
                asked.SetResult();
                await answer.Task;
            }

            return Answer(request);
        });
        using var scheduler = Scheduler(clock, server.Address);

        var leases = scheduler.LeaseAsync(Request(), CancellationToken.None);
        await asked.Task;
        clock.Advance(s_terms.LongPoll);
        answer.SetResult();

        Assert.Single(await leases);
    }

    [Fact]
    public async Task A_server_that_does_not_know_the_worker_is_told_who_it_is()
    {
        var knows = false;
        await using var server = await FakeServer.StartAsync(request =>
        {
            knows |= request.Path == WorkerRoutes.Registrations;
            return knows ? Answer(request) : new FakeAnswer(404);
        });
        using var scheduler = Scheduler(server.Address);
        await scheduler.RegisterAsync(CancellationToken.None);
        knows = false;

        Assert.Single(await scheduler.LeaseAsync(Request(), CancellationToken.None));
    }

    [Fact]
    public async Task A_worker_registers_with_whoever_takes_over()
    {
        var isActive = true;
        await using var first = await FakeServer.StartAsync(request => isActive ? Answer(request) : new FakeAnswer(503));
        await using var second = await FakeServer.StartAsync(request => isActive ? new FakeAnswer(503) : Answer(request));
        var told = new List<Uri>();
        using var scheduler = new HttpScheduler([first.Address, second.Address], Key, Registration(), (server, _) => told.Add(server), TimeProvider.System);
        await scheduler.LeaseAsync(Request(), CancellationToken.None);
        isActive = false;

        await scheduler.LeaseAsync(Request(), CancellationToken.None);
        await scheduler.LeaseAsync(Request(), CancellationToken.None);

        Assert.Contains(WorkerRoutes.Registrations, second.Requests.Select(r => r.Path));
        Assert.Equal((first.Address, second.Address), (told[0], told[^1]));
    }

    [Theory]
    [InlineData(401)]
    [InlineData(403)]
    public async Task A_refused_key_is_the_users_affair_and_stays_untold(int status)
    {
        await using var server = await FakeServer.StartAsync(_ => new FakeAnswer(status));
        using var scheduler = Scheduler(server.Address);

        var wrong = await Assert.ThrowsAsync<InputException>(() => scheduler.RegisterAsync(CancellationToken.None));

        Assert.Equal("key-refused", wrong.Code);
        Assert.DoesNotContain(Key, wrong.ToString(), StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_key_does_not_follow_a_redirect()
    {
        await using var elsewhere = await FakeServer.StartAsync(Answer);
        await using var server = await FakeServer.StartAsync(_ => new FakeAnswer(307, Location: elsewhere.Address.ToString()));
        using var scheduler = Scheduler(server.Address);

        await Assert.ThrowsAnyAsync<IOException>(() => scheduler.RegisterAsync(CancellationToken.None));

        Assert.Empty(elsewhere.Requests);
    }

    [Fact]
    public async Task A_completion_that_no_server_takes_is_not_sent_for_ever()
    {
        await using var server = await FakeServer.StartAsync(request => request.Path == WorkerRoutes.Completions ? new FakeAnswer(400) : Answer(request));
        using var scheduler = Scheduler(server.Address);

        Assert.False(await scheduler.CompleteAsync(s_lease.Epoch, s_outcome, CancellationToken.None));
    }

    [Fact]
    public async Task A_worker_that_drains_says_so()
    {
        await using var server = await FakeServer.StartAsync(request => request.Method == "DELETE" ? new FakeAnswer(204) : Answer(request));
        using var scheduler = Scheduler(server.Address);
        await scheduler.RegisterAsync(CancellationToken.None);

        await scheduler.DeregisterAsync(CancellationToken.None);

        Assert.Equal(("DELETE", "/v1/worker/registrations/w"), (server.Requests[^1].Method, server.Requests[^1].Path));
    }

    private static HttpScheduler Scheduler(params Uri[] servers) => Scheduler(TimeProvider.System, servers);

    private static HttpScheduler Scheduler(TimeProvider clock, params Uri[] servers) => new(servers, Key, Registration(), (_, _) => { }, clock);

    private static WorkerRegistration Registration() => new("w", 1, [SampleJobs.Profile], [new WorkerDevice("cpu", "x64", null)], "1");

    private static LeaseRequest Request() => new("w", [SampleJobs.Profile], 1) { FreeBytes = 1 };

    private static FakeAnswer Answer(FakeRequest request) => request.Path switch
    {
        WorkerRoutes.Registrations => FakeAnswer.Of(s_terms),
        WorkerRoutes.Leases => FakeAnswer.Of<Lease[]>([s_lease]),
        WorkerRoutes.Heartbeats => FakeAnswer.Of(request.As<Heartbeat>().Attempts.Select(a => a.Epoch).ToArray()),
        WorkerRoutes.Completions => FakeAnswer.Of(true),
        _ => new FakeAnswer(404),
    };

    private static WorkUnit Unit() => new()
    {
        Id = "evaluate/float/0",
        Key = SampleJobs.Digest('d'),
        Kind = UnitKind.Evaluate,
        Spec = new EvaluateSpec("top1", 0, 1, 1, new(), Latency: false),
        Inputs = [new UnitInput(Roles.Model, new BlobRef("local/inputs/a", SampleJobs.Digest('a'), 5))],
        Profile = SampleJobs.Profile,
        Cost = 1,
    };
}
