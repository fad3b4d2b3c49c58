using Orchestrator.OnnxRuntime.Native;

namespace Orchestrator.OnnxRuntime;

/// <summary>Least severity of the messages that the runtime writes to standard error.</summary>
public enum LoggingLevel
{
    Verbose = 0,
    Information = 1,
    Warning = 2,
    Error = 3,
    Fatal = 4,
}

/// <summary>
/// The runtime itself; sessions are made in one. A process has one native environment however many of these exist, and the
/// first sets its logging level. Sessions keep it alive.
/// </summary>
public sealed unsafe class OrtEnvironment : IDisposable
{
    /// <exception cref="OrtException">The native library is missing or too old.</exception>
    public OrtEnvironment(LoggingLevel level)
    {
        using var scope = new CallScope();
        Handle = new EnvironmentHandle(OrtApi.CreateEnv(level, scope.Text("orchestrator")));
    }

    /// <summary>Version of the native library, such as 1.30.0.</summary>
    /// <exception cref="OrtException">The native library is missing.</exception>
    public static string RuntimeVersion => OrtLibrary.VersionString;

    /// <summary>How the native library was built: branch, commit, flags.</summary>
    /// <exception cref="OrtException">The native library is missing or too old.</exception>
    public static string BuildDescription => OrtApi.BuildDescription();

    /// <summary>The execution providers the native library was built with; a device that one needs may still be absent.</summary>
    /// <exception cref="OrtException">The native library is missing or too old.</exception>
    public static IReadOnlyList<string> AvailableProviders => OrtApi.AvailableProviders();

    internal EnvironmentHandle Handle { get; }

    public void Dispose() => Handle.Dispose();
}
