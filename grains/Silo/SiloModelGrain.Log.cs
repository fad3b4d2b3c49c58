using Microsoft.Extensions.Logging;

namespace Orchestrator.Silo;

internal sealed partial class SiloModelGrain
{
    [LoggerMessage(1, LogLevel.Information, "{Key} goes on from its commits in a new activation")]
    private static partial void LogResumed(ILogger logger, string key);

    [LoggerMessage(2, LogLevel.Information, "{Key} had ended or has no plan; it is not started again")]
    private static partial void LogOver(ILogger logger, string key);

    [LoggerMessage(3, LogLevel.Warning, "{Key} begins anew from its commits: lost were {Lost}")]
    private static partial void LogLost(ILogger logger, string key, string lost);

    [LoggerMessage(4, LogLevel.Warning, "That {Key} has ended could not be noted; its reminder will")]
    private static partial void LogNotForgotten(ILogger logger, string key, Exception cause);
}
