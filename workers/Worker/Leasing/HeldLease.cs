using Orchestrator.Grains.Abstractions.Messages;

namespace Orchestrator.Worker.Leasing;

/// <summary>A lease while its unit runs. Stops the unit before the lease ends: a worker that cannot renew must not work beside its successor.</summary>
internal sealed class HeldLease : IDisposable
{
    private readonly TimeProvider _clock;
    private readonly TimeSpan _margin;
    private readonly CancellationTokenSource _stop;
    private readonly ITimer _fence;
    private readonly CancellationTokenSource _end = new();
    private int _lost;

    /// <param name="asked">Timestamp taken before the lease was asked for: nobody knows how long the answer was under way.</param>
    /// <param name="handBack">Stops the unit while the lease goes on, so that its end can be told.</param>
    public HeldLease(Lease lease, long asked, TimeSpan margin, TimeProvider clock, CancellationToken handBack)
    {
        Lease = lease;
        _clock = clock;
        _margin = margin;
        End = _end.Token;
        _stop = CancellationTokenSource.CreateLinkedTokenSource(handBack, End);
        Token = _stop.Token;
        _fence = clock.CreateTimer(_ => Lose(), null, Remaining(asked, lease.Waited), Timeout.InfiniteTimeSpan);
    }

    public Lease Lease { get; }

    public UnitContext? Context { get; set; }

    /// <summary>Cancelled when the unit has to stop, for whatever reason.</summary>
    public CancellationToken Token { get; }

    /// <summary>Cancelled when the lease is over.</summary>
    public CancellationToken End { get; }

    /// <summary>The lease is over: whatever comes out is somebody else's by now.</summary>
    public bool IsLost => Volatile.Read(ref _lost) == 1;

    /// <param name="asked">Timestamp taken before the heartbeat was sent.</param>
    public void Renew(long asked)
    {
        if (!IsLost)
            _fence.Change(Remaining(asked, TimeSpan.Zero), Timeout.InfiniteTimeSpan);
    }

    public void Lose()
    {
        Volatile.Write(ref _lost, 1);
        try
        {
            _end.Cancel();
        }
        catch (ObjectDisposedException)
        {
            // The unit ended at the same moment.
        }
    }

    public void Dispose()
    {
        _fence.Dispose();
        _stop.Dispose();
        _end.Dispose();
    }

    private TimeSpan Remaining(long asked, TimeSpan waited)
    {
        var left = waited + Lease.Duration - _margin - _clock.GetElapsedTime(asked);
        return left > TimeSpan.Zero ? left : TimeSpan.Zero;
    }
}
