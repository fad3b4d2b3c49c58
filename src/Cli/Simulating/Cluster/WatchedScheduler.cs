using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>Keeps book of leases as a coordinator grants and ends them.</summary>
/// <param name="clock">The coordinator's own.</param>
internal sealed class WatchedScheduler(ISchedulerGrain inner, Witness witness, TimeProvider clock) : ISchedulerGrain
{
    private readonly Dictionary<Epoch, Book> _leases = [];

    public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken) => inner.OfferAsync(offers, cancellationToken);

    public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken) => inner.WithdrawAsync(owner, cancellationToken);

    public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken) => inner.AcknowledgeAsync(epochs, cancellationToken);

    public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken) => inner.DescribeAsync(question, cancellationToken);

    public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken) => inner.FindLeaseAsync(worker, epoch, cancellationToken);

    public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
    {
        var leases = await inner.LeaseAsync(request, cancellationToken);
        foreach (var lease in leases)
        {
            witness.Leased(lease);
            _leases[lease.Epoch] = new Book(lease.Duration) { Until = Now() + lease.Duration };
        }

        return leases;
    }

    public async Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken)
    {
        Book[] books = [.. heartbeat.Attempts.Select(a => _leases.GetValueOrDefault(a.Epoch)).OfType<Book>()];
        foreach (var book in books)
            book.Renewing++;
        var renewed = await inner.HeartbeatAsync(heartbeat, cancellationToken);
        foreach (var book in books)
            book.Renewing--;
        foreach (var epoch in renewed)
        {
            if (_leases.TryGetValue(epoch, out var book))
                book.Until = Now() + book.Duration;
        }

        return renewed;
    }

    public async Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
    {
        var book = _leases.GetValueOrDefault(epoch);
        // Only what is late by any reading of the clock counts: while a renewal is under way nobody here knows when it takes effect.
        var isLate = book is null || (book.Renewing == 0 && Now() > book.Until);
        var accepted = await inner.CompleteAsync(epoch, outcome, cancellationToken);
        if (accepted)
            witness.Accepted(epoch, isLate);
        return accepted;
    }

    private TimeSpan Now() => TimeSpan.FromTicks(clock.GetTimestamp());

    private sealed class Book(TimeSpan duration)
    {
        public TimeSpan Duration { get; } = duration;

        public TimeSpan Until { get; set; }

        /// <summary>Heartbeats under way.</summary>
        public int Renewing { get; set; }
    }
}
