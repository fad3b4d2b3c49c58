using Orchestrator.Jobs.Units;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Units;

/// <summary>A runner for each numeric profile of a machine: its own and those of narrower kernels.</summary>
public sealed class ProfileRunners(IReadOnlyDictionary<string, IUnitRunner> byProfile) : IUnitRunner, IReclaimable, IDisposable
{
    /// <exception cref="NotSupportedException">The unit is of a profile that was not asked for.</exception>
    public Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken) =>
        byProfile.TryGetValue(unit.Profile, out var runner)
            ? runner.RunAsync(unit, context, cancellationToken)
            : throw new NotSupportedException($"This worker computes in {string.Join(", ", byProfile.Keys)}, not in {unit.Profile}.");

    public void Reclaim()
    {
        foreach (var runner in byProfile.Values.OfType<IReclaimable>())
            runner.Reclaim();
    }

    public void Dispose()
    {
        foreach (var runner in byProfile.Values.OfType<IDisposable>())
            runner.Dispose();
    }
}
