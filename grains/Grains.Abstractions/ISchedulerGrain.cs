using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions;

/// <summary>Who works on what until when. A hint, never a lock: what is done is decided by commits alone.</summary>
public interface ISchedulerGrain : IWorkerScheduler
{
    /// <summary>Units that may run now. A unit that is known already is left where it is.</summary>
    /// <returns>How many requests for units waited in vain until then, those included that these units are for: more units open at once would not lie idle.</returns>
    public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken);

    /// <summary>Forgets all units of an owner; results of attempts under way will be refused.</summary>
    public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken);

    /// <summary>The owner has dealt with ended attempts; it is told of those that ended meanwhile.</summary>
    public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken);

    /// <summary>What is leased and what waits.</summary>
    public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken);

    /// <returns>The unit of a live lease; null where it has ended or is another worker's.</returns>
    public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken);
}
