using Orchestrator.Jobs.Estimates;

namespace Orchestrator.Cli.Progress;

/// <summary>
/// Remaining time. Work is counted in the seconds that preflight planned for it, without an estimate in nominal operations; how much of it a second does is a moving
/// average, which corrects the plan by what is measured. Reused units cost nothing.
/// </summary>
/// <param name="estimate">Null: nothing is known beforehand.</param>
internal sealed class EtaEstimator(TimeProvider clock, JobEstimate? estimate = null)
{
    /// <summary>Time constant of the moving average: long beside a unit, short beside a phase.</summary>
    private static readonly TimeSpan s_memory = TimeSpan.FromSeconds(20);

    /// <summary>Before this a rate without an estimate would be noise: the first units also pay for the start.</summary>
    private static readonly TimeSpan s_warmUp = TimeSpan.FromSeconds(1);

    private static readonly TimeSpan s_longest = TimeSpan.FromDays(365);

    private const int WarmUpSteps = 2;

    private readonly long _start = clock.GetTimestamp();
    private long _lastTime = clock.GetTimestamp();
    private double _lastWork;
    private double _rate = estimate is null ? 0 : 1;
    private int _steps;

    /// <summary>Share of the work that is done, 0 to 1.</summary>
    public double Fraction(ProgressSnapshot snapshot)
    {
        // The whole's cost is known beforehand only nearly.
        if (estimate is null || snapshot.Done >= snapshot.Total || Work(snapshot.CostTotal) is not (> 0 and var total))
            return snapshot.Fraction;
        return Math.Clamp(Work(snapshot.CostDone) / total, 0, 1);
    }

    /// <summary>The remaining time, or null where it is too early to tell.</summary>
    public TimeSpan? Update(ProgressSnapshot snapshot)
    {
        if (snapshot.SecondsLeft is { } told)
            return TimeSpan.FromSeconds(Math.Clamp(told, 0, s_longest.TotalSeconds));
        var work = Work(snapshot.CostDone) - Work(snapshot.CostReused);
        var elapsed = clock.GetElapsedTime(_lastTime).TotalSeconds;
        if (elapsed > 0 && work > _lastWork)
        {
            var rate = (work - _lastWork) / elapsed;
            var weight = _rate == 0 ? 1 : 1 - Math.Exp(-elapsed / s_memory.TotalSeconds);
            _rate += weight * (rate - _rate);
            (_lastTime, _lastWork) = (clock.GetTimestamp(), work);
            _steps++;
        }

        if (estimate is null && (_steps < WarmUpSteps || clock.GetElapsedTime(_start) < s_warmUp))
            return null;
        var remaining = (Work(snapshot.CostTotal) - Work(snapshot.CostDone)) / _rate - clock.GetElapsedTime(_lastTime).TotalSeconds;
        return TimeSpan.FromSeconds(Math.Clamp(remaining, 0, s_longest.TotalSeconds));
    }

    private double Work(double cost) => estimate?.SecondsAt(cost) ?? cost;
}
