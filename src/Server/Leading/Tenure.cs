namespace Orchestrator.Server.Leading;

/// <summary>One server's time as the active one: the right to act until a moment of its own monotonic clock, which renewals put off.</summary>
public sealed class Tenure : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly TimeSpan _right;
    private readonly CancellationTokenSource _over = new();
    private readonly ITimer _fence;
    private long _asked;

    /// <param name="asked">Timestamp taken before the head was asked for: nobody knows how long the answer was under way.</param>
    /// <param name="right">How long the right lasts from there.</param>
    internal Tenure(long term, long asked, TimeSpan right, TimeProvider clock)
    {
        (Term, _asked, _right, _clock) = (term, asked, right, clock);
        Over = _over.Token;
        _fence = clock.CreateTimer(_ => End(), null, Left(), Timeout.InfiniteTimeSpan);
    }

    public long Term { get; }

    /// <summary>The server before had said that it stops.</summary>
    public bool IsHandedOver { get; init; }

    /// <summary>Cancelled when the server has to stop acting.</summary>
    public CancellationToken Over { get; }

    /// <summary>By the clock as well: a process that slept learns it here before its timers run.</summary>
    public bool IsOver => Over.IsCancellationRequested || Left() <= TimeSpan.Zero;

    public void Dispose()
    {
        End();
        _fence.Dispose();
        _over.Dispose();
    }

    internal void Renew(long asked)
    {
        Interlocked.Exchange(ref _asked, asked);
        if (!Over.IsCancellationRequested)
            _fence.Change(Left() is { Ticks: > 0 } left ? left : TimeSpan.Zero, Timeout.InfiniteTimeSpan);
    }

    internal void End()
    {
        try
        {
            _over.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // It was over and done with at the same moment.
        }
    }

    private TimeSpan Left() => _right - _clock.GetElapsedTime(Interlocked.Read(ref _asked));
}
