using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>What a fold keeps of a unit.</summary>
/// <param name="Reused">Its commit was there already, or another process was first.</param>
internal sealed record CommittedUnit(
    string Id, string Key, double Cost, Epoch Epoch, IReadOnlyList<UnitOutput> Outputs, UnitMetrics Metrics, bool Reused)
{
    public BlobRef Output(string role) => Outputs.FirstOrDefault(o => o.Role == role)?.Blob
        ?? throw new InvalidOperationException($"Unit '{Id}' was committed without its output '{role}'.");
}

/// <summary>A unit between its look-up and its commit.</summary>
internal sealed class OpenUnit(UnitPlace place, WorkUnit unit)
{
    public UnitPlace Place { get; } = place;

    public WorkUnit Unit { get; } = unit;

    /// <summary>The last attempt that was dealt with; news of it may come again.</summary>
    public Epoch Seen { get; set; }
}
