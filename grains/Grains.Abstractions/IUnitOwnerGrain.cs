using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Grains.Abstractions;

/// <summary>A grain whose units the scheduler leases out, and the only one that commits them.</summary>
public interface IUnitOwnerGrain
{
    /// <summary>Attempts have ended: all that did while the owner dealt with those before. May be told more than once; the owner acknowledges them to the scheduler.</summary>
    public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken);
}
