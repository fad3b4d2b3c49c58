using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

/// <summary>Options of single runs: cancellation, a tag for log lines, configuration. Good for any number of runs, one after another or at once.</summary>
public sealed unsafe class RunOptions : IDisposable
{
    private readonly CancellationTokenRegistration _registration;

    public RunOptions(CancellationToken cancellationToken = default)
    {
        CancellationToken = cancellationToken;
        Handle = new RunOptionsHandle(OrtApi.Create(OrtFunction.CreateRunOptions));
        _registration = cancellationToken.Register(Terminate);
    }

    /// <summary>Ends every run with these options at its next operator; such a run throws <see cref="OperationCanceledException"/>.</summary>
    public CancellationToken CancellationToken { get; }

    internal RunOptionsHandle Handle { get; }

    /// <summary>Put before the log lines of a run.</summary>
    /// <exception cref="ObjectDisposedException"/>
    public void SetTag(string tag)
    {
        using var scope = new CallScope();
        OrtApi.SetText(OrtFunction.RunOptionsSetRunTag, scope.Use(Handle), scope.Text(tag));
    }

    /// <exception cref="ObjectDisposedException"/>
    public void SetLogSeverity(LoggingLevel level)
    {
        using var scope = new CallScope();
        OrtApi.SetNumber(OrtFunction.RunOptionsSetRunLogSeverityLevel, scope.Use(Handle), (int)level);
    }

    /// <exception cref="ObjectDisposedException"/>
    /// <exception cref="OrtException">The key is empty or too long.</exception>
    public void AddConfigEntry(string key, string value)
    {
        using var scope = new CallScope();
        OrtApi.SetEntry(OrtFunction.AddRunConfigEntry, scope.Use(Handle), scope.Text(key), scope.Text(value));
    }

    public void Dispose()
    {
        // Waits for a callback under way, so that none meets a released handle.
        _registration.Dispose();
        Handle.Dispose();
    }

    private void Terminate()
    {
        using var scope = new CallScope();
        OrtApi.Act(OrtFunction.RunOptionsSetTerminate, scope.Use(Handle));
    }
}
