using System.Diagnostics;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>Signals to processes of a test.</summary>
internal static class Signals
{
    public static void Send(Process process, string signal)
    {
        using var kill = Process.Start("kill", [$"-{signal}", $"{process.Id}"]);
        kill.WaitForExit();
    }

    /// <summary>Stops a process, lets it stand for some seconds of the machine, and lets it go on.</summary>
    public static async Task PauseAsync(Process process, int seconds)
    {
        using var pause = Process.Start("bash", ["-c", $"kill -STOP {process.Id} && sleep {seconds} && kill -CONT {process.Id}"]);
        await pause.WaitForExitAsync();
        Assert.Equal(0, pause.ExitCode);
    }
}
