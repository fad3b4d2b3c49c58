using Microsoft.Extensions.Logging;

namespace Orchestrator.Grains.Pipelines;

internal sealed partial class PipelineRun
{
    [LoggerMessage(201, LogLevel.Error, "Unit {Unit} of job {Job} of tenant {Tenant} is given up ({Code}): {Cause}")]
    private partial void LogQuarantined(string unit, string job, string tenant, string code, string cause);

    [LoggerMessage(202, LogLevel.Error, "The store failed job {Job} of tenant {Tenant}")]
    private partial void LogStoreFailed(string job, string tenant, Exception cause);
}
