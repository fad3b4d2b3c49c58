namespace Orchestrator.OnnxRuntime.Tests;

/// <summary>One environment for all tests of a class; the native one is shared by the process anyway.</summary>
public sealed class RuntimeFixture : IDisposable
{
    public OrtEnvironment Environment { get; } = new(LoggingLevel.Fatal);

    public Session Load(byte[] model, Action<SessionOptions>? configure = null)
    {
        var options = new SessionOptions { LogSeverity = LoggingLevel.Fatal };
        configure?.Invoke(options);
        return Session.FromBytes(Environment, model, options);
    }

    public void Dispose() => Environment.Dispose();
}
