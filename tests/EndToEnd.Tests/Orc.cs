using System.Diagnostics;
using System.Text.Json;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>The real command in a process of its own, as a user starts it.</summary>
internal static class Orc
{
    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(5);

    public static string Executable { get; } =
        Path.Combine(AppContext.BaseDirectory, OperatingSystem.IsWindows() ? "orc.exe" : "orc");

    public static Task<OrcResult> RunAsync(string folder, params string[] arguments) => RunAsync(folder, new Dictionary<string, string>(), arguments);

    /// <param name="environment">Variables beside those of this process.</param>
    public static async Task<OrcResult> RunAsync(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments)
    {
        using var process = Start(folder, environment, arguments);
        using var patience = new CancellationTokenSource(s_patience);
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var errors = process.StandardError.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return new OrcResult(process.ExitCode, await output, await errors);
    }

    /// <summary>A script of bash that starts the command as <c>$ORC</c>.</summary>
    /// <param name="inside">Command and arguments that bash is started with, if any.</param>
    public static async Task<OrcResult> RunScriptAsync(string folder, string script, IReadOnlyList<string>? inside = null, params string[] arguments)
    {
        string[] words = [.. inside ?? [], "bash", "-euo", "pipefail", "-c", script, "bash", .. arguments];
        var start = new ProcessStartInfo(words[0], words[1..]) { WorkingDirectory = folder, RedirectStandardOutput = true, RedirectStandardError = true };
        start.Environment["ORC"] = Executable;
        using var process = Process.Start(start) ?? throw new InvalidOperationException($"{words[0]} did not start.");
        using var patience = new CancellationTokenSource(s_patience);
        var output = process.StandardOutput.ReadToEndAsync(patience.Token);
        var errors = process.StandardError.ReadToEndAsync(patience.Token);
        await process.WaitForExitAsync(patience.Token);
        return new OrcResult(process.ExitCode, await output, await errors);
    }

    public static Process Start(string folder, params string[] arguments) => Start(folder, new Dictionary<string, string>(), arguments);

    public static Process Start(string folder, IReadOnlyDictionary<string, string> environment, params string[] arguments) =>
        StartProgram(Executable, folder, environment, arguments);

    /// <summary>Another program that starts the command.</summary>
    public static Process StartProgram(string program, string folder, IReadOnlyDictionary<string, string> environment, string[] arguments)
    {
        var start = new ProcessStartInfo(program, arguments)
        {
            WorkingDirectory = folder,
            RedirectStandardOutput = true,
            RedirectStandardError = true,
        };
        foreach (var (name, value) in environment)
            start.Environment[name] = value;
        return Process.Start(start) ?? throw new InvalidOperationException("orc did not start.");
    }
}

internal sealed record OrcResult(int Code, string Output, string Errors)
{
    public JsonElement Json => JsonDocument.Parse(Output).RootElement;

    public OrcResult Expect(int code)
    {
        Assert.True(Code == code, $"orc ended with {Code}, not {code}.\n{Output}\n{Errors}");
        return this;
    }
}
