using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Scheduling;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Grains.Tests;

public sealed class LeaseTableTests
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    private readonly LeaseTable _table = new();
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
        Assert.True(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
        Assert.False(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
        Assert.Equal("a/1", Take());
        Assert.False(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
        Assert.True(_table.Offer(Offer("a", "1", key: '2'), TimeSpan.Zero));

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
        Assert.True(_table.Offer(Offer("a", "1"), TimeSpan.Zero));
    }

    [Fact]
    public void A_lease_expires_unless_its_own_worker_renews_it()
    {
        _table.Offer(Offer("a", "1"), TimeSpan.Zero);
        Take();

        Assert.False(_table.Renew("stranger", new Epoch(1, 1), 0, s_lease * 2));
        Assert.True(_table.Renew("worker", new Epoch(1, 1), 0, s_lease * 2));
        Assert.Empty(_table.Expire(s_lease * 2 - TimeSpan.FromTicks(1)));
        Assert.Equal([new Epoch(1, 1)], _table.Expire(s_lease * 2).Select(e => e.Epoch));
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

    private string? Take(string profile = "cpu") =>
        _table.Take("worker", [profile], new Epoch(1, ++_counter), TimeSpan.Zero, s_lease, out _) is { } offer ? $"{offer.Job}/{offer.Unit.Id}" : Untake();

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
