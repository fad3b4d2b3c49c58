using Microsoft.Extensions.Logging;

namespace Orchestrator.Grains.Pipelines;

internal sealed partial class PipelineNews
{
    [LoggerMessage(200, LogLevel.Warning, "{Kind} in job {Job} of tenant {Tenant}: {What}")]
    private partial void LogIncident(string kind, string job, string tenant, string what);
}
