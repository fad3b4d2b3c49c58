using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Plans;
using Orleans.Runtime;

namespace Orchestrator.Silo.Jobs;

/// <summary>A start of a job in one activation.</summary>
/// <param name="scheduler">The scheduler's activation that knows its offers.</param>
/// <param name="pulse">Looks for what the job depends on until it ends.</param>
internal sealed class StartedJob(JobPlace place, JobPlan plan, string scheduler, IGrainTimer pulse)
{
    public JobPlace Place => place;

    public string Scheduler => scheduler;

    public IGrainTimer Pulse => pulse;

    public bool HasEnded { get; set; }

    public JobPulse Missing { get; } = new();

    /// <summary>Place of a layer and of its block in the plan, by name.</summary>
    public Dictionary<string, (int Index, int Block)> Layers { get; } = plan.Blocks
        .SelectMany((block, b) => block.Layers.Select(l => (plan.Layers[l].Name, Index: l, Block: b)))
        .ToDictionary(l => l.Name, l => (l.Index, l.Block), StringComparer.Ordinal);
}
