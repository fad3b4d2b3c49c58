using System.Collections.Concurrent;
using System.Runtime.ExceptionServices;

namespace Orchestrator.Cli.Estimating;

/// <summary>
/// Measures by processor time, because a machine that others use too interrupts every measurement; what runs on several threads also by the clock, because a job is
/// interrupted just as often.
/// </summary>
/// <param name="processorTime">Of this process.</param>
internal sealed class Stopwatches(TimeProvider clock, Func<TimeSpan> processorTime)
{
    /// <summary>What the clocks may miss, in seconds.</summary>
    private const double Resolution = 1e-6;

    private double _wall;
    private double _processor;

    /// <summary>Wall seconds that a thread takes for a second of processor time, over all that was measured on several at once; at least 1.</summary>
    public double Contention => _processor > 0 ? Math.Max(1, _wall / _processor) : 1;

    public Moment Start() => new(clock.GetTimestamp(), processorTime());

    /// <summary>Processor seconds since <paramref name="start"/>; more than 0.</summary>
    public double Seconds(Moment start)
    {
        return Math.Max((processorTime() - start.Processor).TotalSeconds, Resolution);
    }

    /// <summary>Runs work on several threads at once, as slots do, which share caches, memory and cores with each other and with other programs.</summary>
    /// <param name="work">One for each thread; run again and again.</param>
    /// <returns>Processor seconds of one run.</returns>
    public double Together(IReadOnlyList<Action> work, TimeSpan atLeast)
    {
        var (runs, ticks) = (0, 0L);
        var start = Start();
        Parallel(work, one =>
        {
            var began = clock.GetTimestamp();
            do
            {
                one();
                Interlocked.Increment(ref runs);
            }
            while (clock.GetElapsedTime(began) < atLeast);
            Interlocked.Add(ref ticks, clock.GetElapsedTime(began).Ticks);
        });
        var processor = Seconds(start);
        _wall += TimeSpan.FromTicks(ticks).TotalSeconds;
        _processor += processor;
        return processor / runs;
    }

    /// <summary>A thread for each, so that none waits for another; the first failure is thrown here.</summary>
    private static void Parallel(IReadOnlyList<Action> work, Action<Action> run)
    {
        var failures = new ConcurrentQueue<Exception>();
        var threads = work.Select(one => new Thread(() =>
        {
            try
            {
                run(one);
            }
            catch (Exception failure)
            {
                failures.Enqueue(failure);
            }
        }) { IsBackground = true }).ToList();
        threads.ForEach(thread => thread.Start());
        threads.ForEach(thread => thread.Join());
        if (failures.TryDequeue(out var first))
            ExceptionDispatchInfo.Throw(first);
    }

    internal readonly record struct Moment(long Timestamp, TimeSpan Processor);
}
