using System.Text.Json.Serialization;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>One correction of the assembled model.</summary>
/// <param name="Levels">Sites by depth: a level is measured after the levels before it are corrected (algorithms.md 5.10).</param>
/// <param name="Shards">The calibration samples that it measures.</param>
public sealed record CorrectionPlan(Correction Kind, IReadOnlyList<IReadOnlyList<SiteRef>> Levels, SampleShards Shards)
{
    [JsonIgnore]
    public IReadOnlyList<SiteRef> Sites => [.. Levels.SelectMany(level => level)];

    /// <summary>Whether sites are compared with the float model.</summary>
    [JsonIgnore]
    public bool HasReference => Kind != Correction.BatchNorm;
}
