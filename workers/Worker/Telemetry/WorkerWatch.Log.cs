using Microsoft.Extensions.Logging;

namespace Orchestrator.Worker.Telemetry;

public sealed partial class WorkerWatch
{
    [LoggerMessage(400, LogLevel.Warning, "The lease of unit {Unit} could not be renewed and is over: attempt {Attempt} was stopped")]
    private partial void LogFenced(string unit, string attempt);

    [LoggerMessage(401, LogLevel.Warning, "Attempt {Attempt} of unit {Unit} came to its end, but no coordinator took the result")]
    private partial void LogRefused(string unit, string attempt);

    [LoggerMessage(402, LogLevel.Warning, "Attempt {Attempt} of unit {Unit} failed ({Code}): {Cause}")]
    private partial void LogFailed(string unit, string attempt, string code, string cause);

    [LoggerMessage(403, LogLevel.Warning, "{Kind}: {What}")]
    private partial void LogNoted(string kind, string what);
}
