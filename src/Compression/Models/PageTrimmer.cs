using Orchestrator.Onnx;

namespace Orchestrator.Compression.Models;

/// <summary>
/// Keeps mapped weights from piling up in memory while a session runs over them: every few milliseconds their pages go back to the system,
/// which fetches the ones in use again. Costs little, since a page that is used again is still in the system's file cache.
/// </summary>
internal sealed class PageTrimmer : IDisposable
{
    private static readonly TimeSpan s_period = TimeSpan.FromMilliseconds(100);

    private readonly MappedBytes[] _mapped;
    private readonly Timer _timer;

    public PageTrimmer(IEnumerable<MappedBytes> mapped)
    {
        _mapped = [.. mapped];
        _timer = new Timer(_ => Trim(), null, s_period, s_period);
    }

    public void Dispose()
    {
        _timer.Dispose();
        Trim();
    }

    private void Trim()
    {
        foreach (var bytes in _mapped)
            bytes.Release();
    }
}
