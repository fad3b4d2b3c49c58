using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Pipelines;

/// <summary>What a pipeline tells its grain. A closed set.</summary>
internal abstract record PipelineReport
{
    private PipelineReport()
    {
    }

    public sealed record Finished : PipelineReport;

    public sealed record GivenUp(string Unit, Failure Failure) : PipelineReport;

    /// <summary>A given blob is damaged; the pipeline waits to be begun again.</summary>
    public sealed record Starved(BlobRef Damaged) : PipelineReport;

    public sealed record StoreFailed(string Reason) : PipelineReport;
}
