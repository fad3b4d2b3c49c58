using Microsoft.Extensions.Logging;
using Orchestrator.Jobs.Machines;

namespace Orchestrator.Grains;

public sealed partial class ModelGrain
{
    [LoggerMessage(300, LogLevel.Information, "Job {Job} of tenant {Tenant} starts (run {Run})")]
    private partial void LogStarted(string job, string tenant, int run);

    [LoggerMessage(301, LogLevel.Information, "Job {Job} of tenant {Tenant} has ended: {Status}, {Computed} units computed, {Reused} reused. {Reason}")]
    private partial void LogEnded(string job, string tenant, JobStatus status, int computed, int reused, string? reason);
}
