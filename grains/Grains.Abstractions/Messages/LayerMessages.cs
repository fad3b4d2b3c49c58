using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions.Messages;

/// <summary>Where a job's commits and a grain's superiors are.</summary>
/// <param name="Generation">Generation of the commits.</param>
/// <param name="Run">Number of the job's run; failed attempts of earlier runs do not count.</param>
/// <param name="Start">How often this activation has started the job: what was stopped stays stopped, and a later start is another one.</param>
/// <param name="Activation">Whose start it is: the activation of the model grain.</param>
public sealed record JobPlace(string Tenant, string JobId, int Generation, int Run, int Start = 0, string Activation = "");

/// <param name="Block">Place of its block in the plan.</param>
/// <param name="Statistics">Its statistics blobs in shard order.</param>
public sealed record LayerStart(JobPlace Job, int Block, PlanSettings Settings, LayerPlan Layer, IReadOnlyList<BlobRef> Statistics)
{
    /// <inheritdoc cref="UnitOffer.Trace"/>
    public string? Trace { get; init; }
}

/// <summary>How much of a layer is committed, all in all.</summary>
/// <param name="Events">What happened since the last message.</param>
/// <param name="Troubles">Units with failed attempts, all of them or the first few.</param>
public sealed record LayerProgress(JobPlace Job, int Layer, PipelineCounts Counts, IReadOnlyList<JobEvent> Events, IReadOnlyList<UnitTrouble> Troubles);

/// <param name="Computed">Units committed by this run.</param>
/// <param name="Reused">Units whose commit was there already or came from another process.</param>
/// <param name="Cost">Nominal cost of both.</param>
/// <param name="ReusedCost">Nominal cost of the reused ones.</param>
public readonly record struct PipelineCounts(int Computed, int Reused, double Cost, double ReusedCost)
{
    public static PipelineCounts operator +(PipelineCounts left, PipelineCounts right) =>
        new(left.Computed + right.Computed, left.Reused + right.Reused, left.Cost + right.Cost, left.ReusedCost + right.ReusedCost);
}

/// <param name="Results">Result blobs, role by role, each in row order; empty where the layer failed.</param>
/// <param name="Failure">Null when solved.</param>
/// <param name="Fold">Hex digest over keys and outputs of its committed units.</param>
public sealed record LayerEnd(JobPlace Job, int Layer, IReadOnlyList<BlobRef> Results, Failure? Failure, LayerSummary Summary, PipelineCounts Counts, string Fold)
{
    /// <summary>The unit that was given up, where one was.</summary>
    public IReadOnlyList<UnitTrouble> Troubles { get; init; } = [];
}
