using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Leasing;

/// <summary>Computes one unit. Knows no jobs, leases or commits; picks its code by the type of <see cref="WorkUnit.Spec"/>.</summary>
public interface IUnitRunner
{
    /// <summary>Reads the unit's inputs, writes its outputs, returns its numbers.</summary>
    /// <remarks>
    /// The result must depend on nothing but the unit's key: same unit, same bytes. How an attempt ends is read from the exception:
    /// <see cref="Jobs.InputException"/> is a workload failure that no retry heals, <see cref="OutOfMemoryException"/> and
    /// <see cref="IOException"/> are system failures, <see cref="OperationCanceledException"/> hands the unit back, anything else is
    /// a workload failure that is tried again.
    /// </remarks>
    public Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken);
}
