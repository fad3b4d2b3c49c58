using Microsoft.Extensions.Logging;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Grains;

public sealed partial class SchedulerGrain
{
    [LoggerMessage(100, LogLevel.Information, "The scheduler leases in term {Term}")]
    private partial void LogActivated(long term);

    [LoggerMessage(101, LogLevel.Warning, "Worker {Worker} was not heard of: its lease of unit {Unit} of job {Job} of tenant {Tenant} has ended (attempt {Attempt})")]
    private partial void LogLost(string worker, string tenant, string job, string unit, string attempt);

    [LoggerMessage(102, LogLevel.Warning, "The end of attempt {Attempt} ({Outcome}) was refused: its lease had ended before")]
    private partial void LogFenced(string attempt, OutcomeKind outcome);
}
