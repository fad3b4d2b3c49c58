using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Server.Jobs;

/// <summary>A job as its commits alone tell: nothing is run and nothing is changed.</summary>
/// <param name="Model">The written model; null where there is none.</param>
/// <param name="ModelData">Its large weights; null where the model holds them.</param>
/// <param name="Units">Units of the plan.</param>
/// <param name="Fold">Hex digest over all committed units.</param>
public sealed record StoredResult(BlobRef? Model, BlobRef? ModelData, JobSummary Summary, int Units, string Fold)
{
    public int Committed => Summary.Computed + Summary.Reused;
}

/// <summary>Folds a job's commits. Given by the composition root, since it takes the grains' code.</summary>
public delegate Task<StoredResult> FoldJob(JobScope scope, JobPlan plan, CancellationToken cancellationToken);
