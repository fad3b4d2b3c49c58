namespace Orchestrator.Cli.Working;

/// <summary>Folders of a worker for what is under way: the cache that was asked for, or one that goes when the worker ends.</summary>
internal sealed class Scratch(string? cache) : IDisposable
{
    private readonly Lazy<string> _own = new(() => Directory.CreateTempSubdirectory("orc-worker-").FullName);

    /// <summary>For the cache.</summary>
    public string Folder => cache ?? Path.Combine(_own.Value, "cache");

    /// <summary>For outputs until they are whole.</summary>
    public string Uploads => Directory.CreateDirectory(Path.Combine(_own.Value, "uploads")).FullName;

    public void Dispose()
    {
        if (_own.IsValueCreated)
            Directory.Delete(_own.Value, recursive: true);
    }
}
