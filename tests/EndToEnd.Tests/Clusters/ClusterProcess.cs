using System.Collections.Concurrent;
using System.Diagnostics;

namespace Orchestrator.EndToEnd.Tests.Clusters;

/// <summary>A server or a worker as a process of its own, which can be killed, paused and started again. Everything it says is kept.</summary>
/// <param name="fileLimit">KiB that a file of it may have at most: a disk that is full for whatever is larger, on every machine and for every user. Null for no limit.</param>
internal sealed class ClusterProcess(string name, string folder, IReadOnlyList<string> arguments, int? fileLimit = null) : IAsyncDisposable
{
    private const string Limited = "trap '' XFSZ; ulimit -f $1; shift; exec \"$@\"";

    /// <summary>The runtime maps its code through a file larger than the limit unless told not to.</summary>
    private static readonly Dictionary<string, string> s_limited = new() { ["DOTNET_EnableWriteXorExecute"] = "0" };

    private readonly ConcurrentQueue<string> _lines = [];
    private Process? _process;
    private bool _paused;

    public string Name => name;

    public bool IsRunning => _process is { HasExited: false };

    public int ExitCode => _process!.ExitCode;

    /// <summary>What it wrote to both outputs, all its lives together.</summary>
    public IReadOnlyCollection<string> Lines => _lines;

    public void Start()
    {
        // The old one stays readable until the new one stands for it: strikes look at any time.
        var last = _process;
        var process = fileLimit is { } limit
            ? Orc.StartProgram("bash", folder, s_limited, ["-c", Limited, "bash", $"{limit}", Orc.Executable, .. arguments])
            : Orc.Start(folder, [.. arguments]);
        process.OutputDataReceived += (_, e) => Keep(e.Data);
        process.ErrorDataReceived += (_, e) => Keep(e.Data);
        process.BeginOutputReadLine();
        process.BeginErrorReadLine();
        (_process, _paused) = (process, false);
        last?.Dispose();
    }

    /// <summary>As the kernel does when memory is short: no chance to say anything.</summary>
    public async Task KillAsync()
    {
        if (!IsRunning)
            return;
        _process!.Kill();
        await _process.WaitForExitAsync();
    }

    /// <summary>Waits until it has ended by itself.</summary>
    public Task EndAsync(CancellationToken patience) => _process!.WaitForExitAsync(patience);

    public Task PauseAsync() => SignalAsync("STOP", paused: true);

    public Task ContinueAsync() => _paused ? SignalAsync("CONT", paused: false) : Task.CompletedTask;

    /// <summary>Asks it to end and waits.</summary>
    public async Task TerminateAsync(CancellationToken patience)
    {
        if (!IsRunning)
            return;
        await ContinueAsync();
        await SignalAsync("TERM", paused: false);
        await _process!.WaitForExitAsync(patience);
    }

    public async ValueTask DisposeAsync()
    {
        await KillAsync();
        _process?.Dispose();
    }

    private async Task SignalAsync(string signal, bool paused)
    {
        if (!IsRunning)
            return;
        using var kill = Process.Start("kill", [$"-{signal}", $"{_process!.Id}"]);
        await kill.WaitForExitAsync();
        _paused = paused;
    }

    private void Keep(string? line)
    {
        if (line is not null)
            _lines.Enqueue($"{name}: {line}");
    }
}
