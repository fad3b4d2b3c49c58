using Orchestrator.Server.Protocol;
using Spectre.Console;

namespace Orchestrator.Cli.Cluster;

/// <summary>A line of a job's log as people read it.</summary>
internal static class LogLines
{
    public static void Print(IAnsiConsole console, JobLogLine line) =>
        console.WriteLine($"{JobLines.Time(line.Time)} {line.Kind}{(line.Layer is { } layer ? $" {layer}" : "")}: {line.Message}");
}
