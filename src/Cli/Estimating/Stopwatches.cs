namespace Orchestrator.Cli.Estimating;

/// <summary>
/// Measures by processor time, because a machine that others use too interrupts every measurement, and by the clock beside it, because a job is interrupted just as often.
/// </summary>
/// <param name="processorTime">Of this process.</param>
internal sealed class Stopwatches(TimeProvider clock, Func<TimeSpan> processorTime)
{
    /// <summary>What the clocks may miss, in seconds.</summary>
    private const double Resolution = 1e-6;

    private double _wall;
    private double _processor;

    /// <summary>Wall seconds a second of processor time over everything measured so far; at least 1.</summary>
    public double Contention => _processor > 0 ? Math.Max(1, _wall / _processor) : 1;

    public Moment Start() => new(clock.GetTimestamp(), processorTime());

    /// <summary>Processor seconds since <paramref name="start"/>; more than 0.</summary>
    public double Seconds(Moment start)
    {
        var processor = (processorTime() - start.Processor).TotalSeconds;
        _wall += clock.GetElapsedTime(start.Timestamp).TotalSeconds;
        _processor += processor;
        return Math.Max(processor, Resolution);
    }

    internal readonly record struct Moment(long Timestamp, TimeSpan Processor);
}
