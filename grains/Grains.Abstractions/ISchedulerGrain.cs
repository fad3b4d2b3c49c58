using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions;

/// <summary>Who works on what until when. A hint, never a lock: what is done is decided by commits alone.</summary>
public interface ISchedulerGrain
{
    /// <summary>Units that may run now. A unit that is known already is left where it is.</summary>
    public Task OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken);

    /// <summary>Forgets all units of an owner; results of attempts under way will be refused.</summary>
    public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken);

    /// <summary>The owner has dealt with ended attempts; it is told of those that ended meanwhile.</summary>
    public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken);

    /// <summary>Leases units; waits a while for one where there is none. Empty when the wait was in vain.</summary>
    [Interleaves]
    public Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken);

    /// <summary>Renews leases.</summary>
    /// <returns>The leases that are renewed; whatever is missing has to stop.</returns>
    public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken);

    /// <summary>Reports the end of an attempt.</summary>
    /// <returns>False where the lease has ended or was withdrawn: the result will not be used.</returns>
    public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken);
}
