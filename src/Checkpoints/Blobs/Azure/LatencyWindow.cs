namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>The latest reads' durations, to tell a slow one by.</summary>
internal sealed class LatencyWindow
{
    private const int Size = 128;
    private const int Fewest = 20;
    private const double Percentile = 0.95;

    private readonly Lock _lock = new();
    private readonly TimeSpan[] _latest = new TimeSpan[Size];
    private int _count;

    public void Add(TimeSpan latency)
    {
        lock (_lock)
            _latest[_count++ % Size] = latency;
    }

    /// <summary>What 95 % of the latest reads took at most; null before there are enough.</summary>
    public TimeSpan? Slow()
    {
        TimeSpan[] sorted;
        lock (_lock)
        {
            if (_count < Fewest)
                return null;
            sorted = _latest[..Math.Min(_count, Size)];
        }

        Array.Sort(sorted);
        return sorted[(int)(Percentile * (sorted.Length - 1))];
    }
}
