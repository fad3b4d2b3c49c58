namespace Orchestrator.Cli.Simulating.World;

/// <summary>A process's clock: the world's time, ahead or behind by a skew and a little too fast or too slow.</summary>
internal sealed class ProcessClock(SimulatedWorld world, SimulatedProcess process, TimeSpan skew, double rate) : TimeProvider
{
    private static readonly DateTimeOffset s_start = DateTimeOffset.UnixEpoch.AddYears(50);

    public override long TimestampFrequency => TimeSpan.TicksPerSecond;

    public override DateTimeOffset GetUtcNow() => s_start + skew + Local;

    public override long GetTimestamp() => Local.Ticks;

    private TimeSpan Local => world.Now * rate;

    public override ITimer CreateTimer(TimerCallback callback, object? state, TimeSpan dueTime, TimeSpan period)
    {
        var timer = new SimulatedTimer(world, process, callback, state, rate);
        timer.Change(dueTime, period);
        return timer;
    }
}

/// <summary>A timer on virtual time. Its callback runs as a piece of its process.</summary>
internal sealed class SimulatedTimer(SimulatedWorld world, SimulatedProcess process, TimerCallback callback, object? state, double rate) : ITimer
{
    private TimeSpan _period;
    private long _due = -1;

    public bool Change(TimeSpan dueTime, TimeSpan period)
    {
        _period = period;
        if (dueTime < TimeSpan.Zero)
        {
            _due = -1;
            return true;
        }

        Schedule(world.Now + dueTime / rate);
        return true;
    }

    public void Dispose() => _due = -1;

    public ValueTask DisposeAsync()
    {
        Dispose();
        return ValueTask.CompletedTask;
    }

    /// <summary>False for an entry of the queue that was changed or disposed since.</summary>
    internal bool IsDue(long due) => _due == due && !process.IsDead;

    internal void Fire()
    {
        if (_period > TimeSpan.Zero)
            Schedule(world.Now + _period / rate);
        else
            _due = -1;
        new Task(() => callback(state)).Start(process.Scheduler);
    }

    private void Schedule(TimeSpan due)
    {
        _due = due.Ticks;
        world.Queue(this, due);
    }
}
