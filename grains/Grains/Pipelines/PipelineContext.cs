using Orchestrator.Checkpoints;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Grains.Pipelines;

/// <summary>What a grain's pipelines share.</summary>
/// <param name="Profile">Numeric profile of the job.</param>
/// <param name="Memory">What a unit is estimated to take; null where nobody knows.</param>
internal sealed record PipelineContext(IGrainHost Host, CheckpointStore Checkpoints, JobPlace Job, string Profile, RetryPolicy Retry, Func<PlannedUnit, long?> Memory)
{
    public GrainTelemetry Telemetry { get; init; } = GrainTelemetry.None;

    /// <summary>Trace context that all of the job belongs to; null where nothing is traced.</summary>
    public string? Trace { get; init; }

    public JobScope Scope { get; } = new(Job.Tenant, Job.JobId, Job.Generation);

    public AttemptLedger Attempts { get; } = new(Host, Job.Generation, Job.Run);

    public ISchedulerGrain Scheduler => Host.Peer<ISchedulerGrain>(GrainKeys.Scheduler);
}
