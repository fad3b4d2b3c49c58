using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Grains.Pipelines;

/// <summary>What a grain's pipelines share.</summary>
/// <param name="Profile">Numeric profile of the job.</param>
internal sealed record PipelineContext(IGrainHost Host, CheckpointStore Checkpoints, JobPlace Job, string Profile, RetryPolicy Retry)
{
    public JobScope Scope { get; } = new(Job.Tenant, Job.JobId, Job.Generation);

    public AttemptLedger Attempts { get; } = new(Host, Job.Generation, Job.Run);

    public ISchedulerGrain Scheduler => Host.Peer<ISchedulerGrain>(GrainKeys.Scheduler);
}
