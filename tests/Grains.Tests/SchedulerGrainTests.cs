using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Grains.Tests;

public sealed class SchedulerGrainTests
{
    private static readonly LeaseRequest s_request = new("worker", [SampleJobs.Profile], 1);
    private static readonly LeaseOptions s_options = LeaseOptions.Default;

    private readonly ManualClock _clock = new();
    private readonly MemoryBlobStore _store = new();
    private readonly RecordingLayer _owner = new();

    [Fact]
    public async Task A_completed_attempt_is_told_to_its_owner()
    {
        var (scheduler, host) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = Assert.Single(await scheduler.LeaseAsync(s_request, CancellationToken.None));

        Assert.True(await scheduler.CompleteAsync(lease.Epoch, Done, CancellationToken.None));
        await host.DeliverAsync();

        Assert.Equal((lease.Epoch, OutcomeKind.Completed), Assert.Single(_owner.Ends));
        Assert.Equal($"local/attempts/11/{SampleJobs.Digest('1')}/{lease.Epoch.Attempt}", lease.OutputPrefix);
    }

    [Fact]
    public async Task What_ends_while_the_owner_is_busy_is_told_together_when_it_is_done()
    {
        var (scheduler, host) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1"), Offer("2"), Offer("3")], CancellationToken.None);
        var leases = new List<Lease>();
        for (var i = 0; i < 3; i++)
            leases.Add((await scheduler.LeaseAsync(s_request, CancellationToken.None))[0]);

        await scheduler.CompleteAsync(leases[0].Epoch, Done, CancellationToken.None);
        await host.DeliverAsync();
        await scheduler.CompleteAsync(leases[1].Epoch, Done, CancellationToken.None);
        await scheduler.CompleteAsync(leases[2].Epoch, Done, CancellationToken.None);
        Assert.Equal(0, host.Posted);
        await scheduler.AcknowledgeAsync([leases[0].Epoch], CancellationToken.None);
        Assert.Equal(1, host.Posted);
        await host.DeliverAsync();

        Assert.Equal(leases.Select(l => (l.Epoch, OutcomeKind.Completed)), _owner.Ends);
    }

    [Fact]
    public async Task A_second_and_a_late_report_are_refused()
    {
        var (scheduler, host) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1"), Offer("2")], CancellationToken.None);
        var first = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        var second = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        await scheduler.CompleteAsync(first.Epoch, Done, CancellationToken.None);
        await scheduler.AcknowledgeAsync([first.Epoch], CancellationToken.None);

        Assert.False(await scheduler.CompleteAsync(first.Epoch, Done, CancellationToken.None));
        _clock.Advance(s_options.Duration);
        Assert.False(await scheduler.CompleteAsync(second.Epoch, Done, CancellationToken.None));
        await host.DeliverAsync();

        Assert.Equal([(first.Epoch, OutcomeKind.Completed), (second.Epoch, OutcomeKind.Lost)], _owner.Ends);
    }

    [Fact]
    public async Task A_report_that_comes_between_the_leases_end_and_the_next_tick_is_refused_too()
    {
        var (scheduler, _) = await ActivateAsync(s_options with { Tick = TimeSpan.FromHours(1) });
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        _clock.Advance(s_options.Duration);

        Assert.False(await scheduler.CompleteAsync(lease.Epoch, Done, CancellationToken.None));
    }

    [Fact]
    public async Task A_heartbeat_renews_leases_and_names_those_that_are_not_lost()
    {
        var (scheduler, host) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        var ghost = new Epoch(lease.Epoch.Term - 1, 1);

        for (var beat = 0; beat < 5; beat++)
        {
            _clock.Advance(s_options.Duration - TimeSpan.FromSeconds(1));
            var renewed = await scheduler.HeartbeatAsync(new Heartbeat("worker", [new(lease.Epoch, 0.5), new(ghost, 0)]), CancellationToken.None);
            Assert.Equal([lease.Epoch], renewed);
        }

        await host.DeliverAsync();
        Assert.Empty(_owner.Ends);
    }

    [Fact]
    public async Task What_is_leased_and_what_waits_is_told_to_those_who_ask()
    {
        var (scheduler, _) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1"), Offer("2"), Offer("3")], CancellationToken.None);
        var lease = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        _clock.Advance(TimeSpan.FromSeconds(5));
        await scheduler.HeartbeatAsync(new Heartbeat("worker", [new(lease.Epoch, 0.25)]), CancellationToken.None);

        var standing = await scheduler.DescribeAsync(new ScheduleQuestion("local", null, 2), CancellationToken.None);

        Assert.Equal((1, 2), (standing.Leased, standing.Waiting));
        Assert.Equal([new LeaseStanding("worker", lease.Epoch, 0.25, TimeSpan.FromSeconds(5)), null], standing.Units.Select(u => u.Lease));
        Assert.Equal(0, (await scheduler.DescribeAsync(new ScheduleQuestion("other", null, 2), CancellationToken.None)).Waiting);
    }

    [Fact]
    public async Task Whoever_offers_is_told_how_many_requests_waited()
    {
        var (scheduler, _) = await ActivateAsync();
        Task<IReadOnlyList<Lease>>[] waiting = [.. new[] { "worker", "second", "third" }.Select(name => scheduler.LeaseAsync(s_request with { Worker = name }, CancellationToken.None))];
        var foreign = scheduler.LeaseAsync(s_request with { Worker = "foreign", Profiles = ["other"] }, CancellationToken.None);

        Assert.Equal(3, await scheduler.OfferAsync([Offer("1"), Offer("2")], CancellationToken.None));
        // Two of them are served; what is offered next finds the third.
        Assert.Equal(1, await scheduler.OfferAsync([Offer("3")], CancellationToken.None));
        Assert.Equal(0, await scheduler.OfferAsync([Offer("4")], CancellationToken.None));

        Assert.Equal(["1", "2", "3"], (await Task.WhenAll(waiting)).Select(leases => Assert.Single(leases).Unit.Id));
        Assert.False(foreign.IsCompleted);
    }

    [Fact]
    public async Task A_live_lease_is_found_by_its_holder_only()
    {
        var (scheduler, _) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];

        Assert.Equal(lease, await scheduler.FindLeaseAsync("worker", lease.Epoch, CancellationToken.None));
        Assert.Null(await scheduler.FindLeaseAsync("stranger", lease.Epoch, CancellationToken.None));
        _clock.Advance(s_options.Duration);
        Assert.Null(await scheduler.FindLeaseAsync("worker", lease.Epoch, CancellationToken.None));
    }

    [Fact]
    public async Task A_withdrawn_units_result_is_refused()
    {
        var (scheduler, _) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];

        await scheduler.WithdrawAsync(Offer("1").Owner, CancellationToken.None);

        Assert.False(await scheduler.CompleteAsync(lease.Epoch, Done, CancellationToken.None));
    }

    [Fact]
    public async Task Every_activation_has_a_higher_term_so_earlier_leases_are_refused()
    {
        var (earlier, _) = await ActivateAsync();
        await earlier.OfferAsync([Offer("1")], CancellationToken.None);
        var old = (await earlier.LeaseAsync(s_request, CancellationToken.None))[0];

        var (later, _) = await ActivateAsync();
        await later.OfferAsync([Offer("1")], CancellationToken.None);
        var current = (await later.LeaseAsync(s_request, CancellationToken.None))[0];

        Assert.True(current.Epoch > old.Epoch);
        Assert.NotEqual(current.OutputPrefix, old.OutputPrefix);
        Assert.False(await later.CompleteAsync(old.Epoch, Done, CancellationToken.None));
    }

    [Fact]
    public async Task Terms_do_not_repeat_where_the_state_was_lost()
    {
        var (earlier, _) = await ActivateAsync();
        await earlier.OfferAsync([Offer("1")], CancellationToken.None);
        var old = (await earlier.LeaseAsync(s_request, CancellationToken.None))[0];
        await _store.DeleteAsync("local/grains/scheduler.head", CancellationToken.None);
        _clock.Advance(TimeSpan.FromMinutes(1));

        var (later, _) = await ActivateAsync();
        await later.OfferAsync([Offer("1")], CancellationToken.None);

        Assert.True((await later.LeaseAsync(s_request, CancellationToken.None))[0].Epoch > old.Epoch);
    }

    [Fact]
    public async Task News_that_the_owner_did_not_acknowledge_are_told_again()
    {
        var (scheduler, host) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        var lease = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        await scheduler.CompleteAsync(lease.Epoch, Done, CancellationToken.None);
        host.Lose();

        _clock.Advance(s_options.Redelivery + s_options.Tick);
        await host.DeliverAsync();
        await scheduler.AcknowledgeAsync([lease.Epoch], CancellationToken.None);
        _clock.Advance(s_options.Redelivery + s_options.Tick);

        Assert.Equal(0, host.Posted);
        Assert.Equal((lease.Epoch, OutcomeKind.Completed), Assert.Single(_owner.Ends));
    }

    [Fact]
    public async Task A_request_waits_for_the_next_offer_but_not_for_ever()
    {
        var (scheduler, _) = await ActivateAsync();
        var patient = scheduler.LeaseAsync(s_request, CancellationToken.None);
        Assert.False(patient.IsCompleted);
        await scheduler.OfferAsync([Offer("1")], CancellationToken.None);
        Assert.Single(await patient);

        var vain = scheduler.LeaseAsync(s_request, CancellationToken.None);
        _clock.Advance(s_options.LongPoll);
        Assert.Empty(await vain);
    }

    [Fact]
    public async Task An_offer_wakes_a_worker_that_may_take_it_and_none_whose_wait_is_over()
    {
        var (scheduler, _) = await ActivateAsync();
        var over = scheduler.LeaseAsync(s_request, CancellationToken.None);
        _clock.Advance(s_options.LongPoll);
        Assert.Empty(await over);
        var other = scheduler.LeaseAsync(new LeaseRequest("other", ["another-profile"], 1), CancellationToken.None);
        var failed = scheduler.LeaseAsync(s_request with { Worker = "failed" }, CancellationToken.None);
        var fit = scheduler.LeaseAsync(s_request with { Worker = "fit" }, CancellationToken.None);

        await scheduler.OfferAsync([Offer("1") with { Avoid = ["failed"] }], CancellationToken.None);

        Assert.Single(await fit);
        Assert.False(other.IsCompleted || failed.IsCompleted);
    }

    [Fact]
    public async Task Whoever_waits_gets_a_unit_that_it_failed_when_all_others_fell_silent()
    {
        var (scheduler, _) = await ActivateAsync();
        Assert.Empty(await Vain(scheduler, "gone"));
        await scheduler.OfferAsync([Offer("1") with { Avoid = ["failed"] }], CancellationToken.None);
        var failed = scheduler.LeaseAsync(s_request with { Worker = "failed" }, CancellationToken.None);
        Assert.False(failed.IsCompleted);

        // The other was heard of last when its wait began.
        _clock.Advance(s_options.Duration - s_options.LongPoll + s_options.Tick);

        Assert.Single(await failed);
    }

    [Fact]
    public async Task Why_a_unit_waits_and_who_was_heard_of_is_told()
    {
        const long Gibibyte = 1L << 30;
        var (scheduler, _) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1"), Offer("2") with { MemoryBytes = 8 * Gibibyte }], CancellationToken.None);
        Assert.Equal(["no-worker", "no-worker"], await Reasons(scheduler));

        await scheduler.HeartbeatAsync(new Heartbeat("unknown", []), CancellationToken.None);
        Assert.Empty(await Vain(scheduler, "foreign", "another-profile"));
        Assert.Equal(["no-matching-worker", "no-matching-worker"], await Reasons(scheduler));

        await scheduler.LeaseAsync(s_request with { FreeBytes = Gibibyte }, CancellationToken.None);
        await scheduler.OfferAsync([Offer("3")], CancellationToken.None);
        var standing = await scheduler.DescribeAsync(new ScheduleQuestion(null, null, 10), CancellationToken.None);

        Assert.Equal([("1", null), ("2", "no-matching-worker"), ("3", "queued")], standing.Units.Select(u => (u.Unit, u.Wait?.Code)));
        Assert.Contains("8.0 GiB", standing.Units[1].Wait!.Message, StringComparison.Ordinal);
        Assert.Equal([("foreign", 0, true), ("worker", 1, true)], standing.Workers.Select(w => (w.Worker, w.Leases, w.IsAlive)));
    }

    [Fact]
    public async Task An_end_tells_who_held_the_lease_and_whether_another_could_have()
    {
        var (scheduler, host) = await ActivateAsync();
        await scheduler.OfferAsync([Offer("1"), Offer("2")], CancellationToken.None);
        var failure = Outcome.WorkloadFailed(new Failure("bad", "Bad.", Retryable: false));
        var first = (await scheduler.LeaseAsync(s_request, CancellationToken.None))[0];
        await scheduler.CompleteAsync(first.Epoch, failure, CancellationToken.None);
        await host.DeliverAsync();
        await scheduler.AcknowledgeAsync([first.Epoch], CancellationToken.None);
        var second = (await scheduler.LeaseAsync(s_request with { Worker = "second", FreeBytes = 5 }, CancellationToken.None))[0];
        await scheduler.CompleteAsync(second.Epoch, failure, CancellationToken.None);
        await host.DeliverAsync();

        Assert.Equal([("worker", true, null), ("second", false, 5L)], _owner.Told.Select(e => (e.Worker, e.HadNoOther, e.FreeBytes)));
    }

    private async Task<IReadOnlyList<Lease>> Vain(SchedulerGrain scheduler, string worker, string profile = SampleJobs.Profile)
    {
        var vain = scheduler.LeaseAsync(new LeaseRequest(worker, [profile], 1), CancellationToken.None);
        _clock.Advance(s_options.LongPoll);
        return await vain;
    }

    private static async Task<IEnumerable<string?>> Reasons(SchedulerGrain scheduler) =>
        (await scheduler.DescribeAsync(new ScheduleQuestion(null, null, 10), CancellationToken.None)).Units.Select(u => u.Wait?.Code);

    private static Outcome Done => Outcome.Completed([], new UnitMetrics());

    private async Task<(SchedulerGrain Scheduler, FakeGrainHost Host)> ActivateAsync(LeaseOptions? options = null)
    {
        var host = new FakeGrainHost(GrainKeys.Scheduler, _store, _clock, _owner);
        var scheduler = new SchedulerGrain(host, options ?? s_options);
        await scheduler.ActivateAsync(CancellationToken.None);
        return (scheduler, host);
    }

    private static UnitOffer Offer(string unit) => new(new UnitOwner(OwnerKind.Layer, "layer/job/0"), "local", "job", new WorkUnit
    {
        Id = unit,
        Key = SampleJobs.Digest('1'),
        Kind = UnitKind.Statistics,
        Spec = new InverseSpec(new LayerRef("/conv", 0), 1, 9, 0),
        Inputs = [],
        Profile = SampleJobs.Profile,
        Cost = 1,
    });

    private sealed class RecordingLayer : ILayerGrain
    {
        public List<(Epoch Epoch, OutcomeKind Kind)> Ends { get; } = [];

        public List<AttemptEnd> Told { get; } = [];

        public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken)
        {
            Told.AddRange(ended);
            Ends.AddRange(ended.Select(e => (e.Epoch, e.Outcome.Kind)));
            return Task.CompletedTask;
        }

        public Task StartAsync(LayerStart start, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task RepairAsync(JobPlace job, BlobRef damaged, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(JobPlace job, CancellationToken cancellationToken) => Task.CompletedTask;
    }
}
