using System.CommandLine;

namespace Orchestrator.Cli.Telemetry;

/// <summary><c>--log-format</c>, of every verb that keeps running.</summary>
internal static class LogFormatOption
{
    public static Option<LogFormat> Create() => new("--log-format")
    {
        Description = "How the log looks on standard error: text, or json for a JSON object a line",
        HelpName = "text|json",
        DefaultValueFactory = _ => LogFormat.Text,
    };
}
