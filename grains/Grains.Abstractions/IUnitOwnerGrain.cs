using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Abstractions;

/// <summary>A grain whose units the scheduler leases out, and the only one that commits them.</summary>
public interface IUnitOwnerGrain
{
    /// <summary>An attempt has ended. May be told more than once; the owner acknowledges it to the scheduler.</summary>
    public Task AttemptEndedAsync(AttemptEnd ended, CancellationToken cancellationToken);
}
