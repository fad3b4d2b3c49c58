using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Grains.Tests;

public sealed class LeaseTableTests
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    private readonly LeaseTable _table = new(LeaseOptions.Default);
    private long _counter;

    [Fact]
    public void Units_of_a_job_go_first_come_first_served_and_jobs_take_turns()
    {
        foreach (var (job, unit) in new[] { ("a", "1"), ("a", "2"), ("a", "3"), ("b", "1"), ("b", "2"), ("c", "1") })
            _table.Offer(Offer(job, unit), TimeSpan.Zero);

        var order = Enumerable.Range(0, 7).Select(_ => Take()).ToArray();

        Assert.Equal("a/1 b/1 c/1 a/2 b/2 a/3 -", string.Join(' ', order.Select(o => o ?? "-")));
    }

    [Fact]
    public void A_unit_that_is_known_is_not_offered_twice_but_one_with_other_inputs_takes_its_place()
    {
        Assert.NotNull(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
        Assert.Null(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
        Assert.Equal("a/1", Take());
        Assert.Null(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
        Assert.NotNull(_table.Offer(Offer("a", "1", key: '2'), TimeSpan.Zero));

        Assert.Null(_table.End(new Epoch(1, 1)));
        Assert.Equal("a/1", Take());
        Assert.Null(Take());
    }

    [Fact]
    public void Only_workers_of_the_units_profile_get_it()
    {
        _table.Offer(Offer("a", "1", profile: "cuda"), TimeSpan.Zero);
        _table.Offer(Offer("b", "1", profile: "cpu"), TimeSpan.Zero);

        Assert.Equal("b/1", Take("cpu"));
        Assert.Null(Take("cpu"));
        Assert.Equal("a/1", Take("cuda"));
    }

    [Fact]
    public void A_withdrawn_owner_has_neither_offers_nor_leases()
    {
        _table.Offer(Offer("a", "1"), TimeSpan.Zero);
        _table.Offer(Offer("a", "2"), TimeSpan.Zero);
        _table.Offer(Offer("b", "1"), TimeSpan.Zero);
        Take();

        _table.Withdraw(Owner("a"));

        Assert.Null(_table.End(new Epoch(1, 1)));
        Assert.Equal(0, _table.Leased);
        Assert.Equal("b/1", Take());
        Assert.Null(Take());
        Assert.NotNull(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
    }

    [Fact]
    public void A_lease_expires_unless_its_own_worker_renews_it()
    {
        _table.Offer(Offer("a", "1"), TimeSpan.Zero);
        Take();

        Assert.False(_table.Renew("stranger", new Epoch(1, 1), 0, s_lease));
        Assert.True(_table.Renew("worker", new Epoch(1, 1), 0, s_lease));
        Assert.Empty(_table.Expire(s_lease * 2 - TimeSpan.FromTicks(1)));
        Assert.Equal([new Epoch(1, 1)], _table.Expire(s_lease * 2).Select(e => e.Unit.Epoch));
        Assert.False(_table.Renew("worker", new Epoch(1, 1), 0, s_lease * 3));
        Assert.Null(_table.End(new Epoch(1, 1)));
    }

    [Fact]
    public void Offers_by_the_hundred_thousand_are_taken_in_order()
    {
        const int Units = 100_000;
        for (var i = 0; i < Units; i++)
            _table.Offer(Offer("a", $"{i}"), TimeSpan.Zero);

        for (var i = 0; i < Units; i++)
        {
            Assert.Equal($"a/{i}", Take());
            Assert.NotNull(_table.End(new Epoch(1, i + 1)));
        }

        Assert.Equal(0, _table.Leased);
    }

    [Fact]
    public void Who_failed_a_unit_gets_it_only_where_nobody_else_could()
    {
        Ask("a");
        Ask("b");
        _table.Offer(Offer("job", "1") with { Avoid = ["a"] }, TimeSpan.Zero);
        _table.Offer(Offer("job", "2"), TimeSpan.Zero);

        Assert.Equal("job/2", Take(worker: "a"));
        Assert.Null(Take(worker: "a"));
        Assert.Equal("job/1", Take(worker: "b"));

        _table.Offer(Offer("job", "3") with { Avoid = ["a", "b"] }, TimeSpan.Zero);
        Assert.Equal("job/3", Take(worker: "a"));
    }

    [Fact]
    public void Who_failed_a_unit_gets_it_again_when_the_others_are_gone_or_do_not_take_it()
    {
        var patience = LeaseOptions.Default.Patience;
        Ask("a");
        Ask("b");
        _table.Offer(Offer("job", "1") with { Avoid = ["a"] }, TimeSpan.Zero);
        _table.Offer(Offer("job", "2") with { Avoid = ["a"] }, TimeSpan.Zero);

        Ask("a", now: s_lease);
        _table.Workers.Forget(s_lease);
        Assert.Equal("job/1", Take(worker: "a", now: s_lease));
        Ask("b", now: s_lease);
        Assert.Null(Take(worker: "a", now: patience - TimeSpan.FromTicks(1)));
        Assert.Equal("job/2", Take(worker: "a", now: patience));
    }

    [Fact]
    public void A_unit_goes_to_workers_with_room_for_it_and_after_a_shortage_to_those_with_more()
    {
        const long Gibibyte = 1L << 30;
        Ask("small", free: 2 * Gibibyte);
        Ask("large", free: 16 * Gibibyte);
        _table.Offer(Offer("job", "1") with { MemoryBytes = 4 * Gibibyte }, TimeSpan.Zero);
        _table.Offer(Offer("job", "2") with { WantedBytes = 3 * Gibibyte }, TimeSpan.Zero);

        Assert.Null(Take(worker: "small", free: 2 * Gibibyte));
        Assert.Equal("job/1", Take(worker: "large", free: 16 * Gibibyte));
        Assert.Equal("job/2", Take(worker: "large", free: 12 * Gibibyte));

        _table.Offer(Offer("job", "3") with { WantedBytes = 32 * Gibibyte }, TimeSpan.Zero);
        Assert.Equal("job/3", Take(worker: "small", free: 2 * Gibibyte));
        _table.Offer(Offer("job", "4") with { MemoryBytes = 32 * Gibibyte }, TimeSpan.Zero);
        Assert.Null(Take(worker: "large", free: 16 * Gibibyte, now: LeaseOptions.Default.Patience * 10));
        Assert.Equal("job/4", Take(worker: "unknown", free: null));
    }

    [Fact]
    public void A_lease_that_is_lost_alone_by_a_worker_that_fell_silent_may_be_a_crash()
    {
        foreach (var unit in new[] { "1", "2", "3", "4" })
            _table.Offer(Offer("job", unit), TimeSpan.Zero);
        foreach (var worker in new[] { "alone", "loaded", "loaded", "alive" })
        {
            Ask(worker);
            Take(worker: worker);
        }

        for (var now = TimeSpan.Zero; now < s_lease; now += TimeSpan.FromSeconds(1))
            Assert.Empty(_table.Expire(now));
        Ask("alive", now: s_lease);

        Assert.Equal([("alone", true), ("loaded", false), ("loaded", false), ("alive", false)], _table.Expire(s_lease).Select(e => (e.Unit.Worker!, e.IsCrash)));
    }

    [Fact]
    public void A_table_that_nobody_looked_at_for_long_blames_no_unit()
    {
        _table.Offer(Offer("job", "1"), TimeSpan.Zero);
        Ask("alone");
        Take(worker: "alone");

        Assert.False(Assert.Single(_table.Expire(s_lease)).IsCrash);
    }

    private void Ask(string worker, TimeSpan now = default, long? free = null) => _table.Ask(new LeaseRequest(worker, ["cpu"], 1) { FreeBytes = free }, now);

    private string? Take(string profile = "cpu", string worker = "worker", long? free = null, TimeSpan now = default) =>
        _table.Take(new LeaseRequest(worker, [profile], 1) { FreeBytes = free }, new Epoch(1, ++_counter), now) is { Offer: var offer } ? $"{offer.Job}/{offer.Unit.Id}" : Untake();

    private string? Untake()
    {
        _counter--;
        return null;
    }

    private static UnitOwner Owner(string job) => new(OwnerKind.Layer, job);

    private static UnitOffer Offer(string job, string unit, char key = '1', string profile = "cpu") => new(Owner(job), "local", job, new WorkUnit
    {
        Id = unit,
        Key = SampleJobs.Digest(key),
        Kind = UnitKind.Statistics,
        Spec = new InverseSpec(new LayerRef("/conv", 0), 1, 9, 0),
        Inputs = [],
        Profile = profile,
        Cost = 1,
    });
}
