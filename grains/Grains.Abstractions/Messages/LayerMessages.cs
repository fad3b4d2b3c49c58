using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions.Messages;

/// <summary>Where a job's commits and a grain's superiors are.</summary>
/// <param name="Generation">Generation of the commits.</param>
/// <param name="Run">Number of the job's run; failed attempts of earlier runs do not count.</param>
public sealed record JobPlace(string Tenant, string JobId, int Generation, int Run);

/// <param name="Block">Place of its block in the plan.</param>
/// <param name="Statistics">Its statistics blobs in shard order.</param>
public sealed record LayerStart(JobPlace Job, int Block, PlanSettings Settings, LayerPlan Layer, IReadOnlyList<BlobRef> Statistics);

/// <summary>Units of a layer that were committed since the last message.</summary>
/// <param name="Cost">Nominal cost of all of them.</param>
/// <param name="ReusedCost">Nominal cost of the reused ones.</param>
public sealed record LayerProgress(int Layer, int Computed, int Reused, double Cost, double ReusedCost, IReadOnlyList<JobEvent> Events);

/// <param name="Results">Result blobs, role by role, each in row order; empty where the layer failed.</param>
/// <param name="Failure">Null when solved.</param>
/// <param name="Units">Committed units.</param>
/// <param name="Fold">Hex digest over their keys and outputs.</param>
public sealed record LayerEnd(int Layer, IReadOnlyList<BlobRef> Results, Failure? Failure, LayerSummary Summary, int Units, string Fold);
