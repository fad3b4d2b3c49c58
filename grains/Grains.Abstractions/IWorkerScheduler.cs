using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions;

/// <summary>What a worker asks of a coordinator, wherever that runs.</summary>
public interface IWorkerScheduler
{
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
