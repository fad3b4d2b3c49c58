namespace Orchestrator.Cli.Progress;

/// <summary>
/// Remaining time from nominal cost. The rate is a moving average, because kinds of unit differ in how much of their nominal cost a second does; reused units cost nothing.
/// </summary>
internal sealed class EtaEstimator(TimeProvider clock)
{
    /// <summary>Time constant of the moving average: long beside a unit, short beside a phase.</summary>
    private static readonly TimeSpan s_memory = TimeSpan.FromSeconds(20);

    /// <summary>Before this an estimate would be noise: the first units also pay for the start.</summary>
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(1);

    private const int WarmUpSteps = 2;

    private readonly long _start = clock.GetTimestamp();
    private long _lastTime = clock.GetTimestamp();
    private double _lastCost;
    private double _rate;
    private int _steps;

    /// <summary>The remaining time, or null where it is too early to tell.</summary>
    public TimeSpan? Update(ProgressSnapshot snapshot)
    {
        var cost = snapshot.CostDone - snapshot.CostReused;
        var elapsed = clock.GetElapsedTime(_lastTime).TotalSeconds;
        if (elapsed > 0 && cost > _lastCost)
        {
            var rate = (cost - _lastCost) / elapsed;
            var weight = _rate == 0 ? 1 : 1 - Math.Exp(-elapsed / s_memory.TotalSeconds);
            _rate += weight * (rate - _rate);
            (_lastTime, _lastCost) = (clock.GetTimestamp(), cost);
            _steps++;
        }

        if (_steps < WarmUpSteps || clock.GetElapsedTime(_start) < s_warmUp)
            return null;
        var remaining = (snapshot.CostTotal - snapshot.CostDone) / _rate - clock.GetElapsedTime(_lastTime).TotalSeconds;
        return TimeSpan.FromSeconds(Math.Clamp(remaining, 0, TimeSpan.FromDays(365).TotalSeconds));
    }
}
