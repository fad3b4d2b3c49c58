using Microsoft.Extensions.Logging;

namespace Orchestrator.Cli.Serving;

internal sealed partial class ServeRun
{
    [LoggerMessage(EventId = 500, Message = "{Server} {Kind}: {What}")]
    private static partial void LogNotice(ILogger logger, LogLevel level, string server, string kind, string what);

    [LoggerMessage(501, LogLevel.Error, "{Server} failed in something that should not fail")]
    private static partial void LogFault(ILogger logger, string server, Exception fault);
}
