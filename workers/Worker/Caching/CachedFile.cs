namespace Orchestrator.Worker.Caching;

/// <summary>A file of the cache while it is in use.</summary>
public sealed class CachedFile(string path, Action giveBack) : IDisposable
{
    private Action? _giveBack = giveBack;

    public string Path { get; } = path;

    public void Dispose() => Interlocked.Exchange(ref _giveBack, null)?.Invoke();
}
