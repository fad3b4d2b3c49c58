using Microsoft.Extensions.Logging;

namespace Orchestrator.Cli.Working;

internal sealed partial class WorkerRun
{
    [LoggerMessage(EventId = 600, Message = "{Worker} {Kind}: {What}")]
    private static partial void LogNotice(ILogger logger, LogLevel level, string worker, string kind, string what);
}
