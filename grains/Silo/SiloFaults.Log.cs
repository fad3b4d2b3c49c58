using Microsoft.Extensions.Logging;

namespace Orchestrator.Silo;

internal sealed partial class SiloFaults
{
    [LoggerMessage(1, LogLevel.Error, "A message of grain {Key} failed")]
    private static partial void LogFault(ILogger logger, string key, Exception fault);
}
