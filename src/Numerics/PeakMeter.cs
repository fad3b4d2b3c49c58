using System.Numerics;
using System.Runtime.CompilerServices;
using Orchestrator.Numerics.Simd;

namespace Orchestrator.Numerics;

/// <summary>
/// Measures what the processor can do at most: fused multiply-adds of floats that never leave the registers, at the widest
/// vectors, on as many threads as are asked for.
/// </summary>
public static class PeakMeter
{
    /// <summary>Runs of which the best counts: a run can only be disturbed, never be too fast.</summary>
    public const int Runs = 5;

    /// <summary>Least length of a run: long enough for the clock to rise and for the timer not to matter.</summary>
    public static readonly TimeSpan RunLength = TimeSpan.FromMilliseconds(100);

    /// <summary>Chains in flight: two operations a cycle with a latency of up to five need ten; twelve leave room in 16 registers.</summary>
    private const int Chains = 12;

    private const int Rounds = 20_000;

    /// <summary>Billions of floating-point operations a second, a fused multiply-add counting as two.</summary>
    /// <param name="threads">Threads that compute at the same time, at least 1.</param>
    /// <param name="time">The clock.</param>
    /// <param name="width">Kernel width.</param>
    public static double Measure(int threads, TimeProvider time, KernelWidth width = KernelWidth.Default)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(threads, 1);
        var best = 0.0;
        for (var run = 0; run < Runs; run++)
            best = Math.Max(best, MeasureOnce(threads, time, width));
        return best;
    }

    private static double MeasureOnce(int threads, TimeProvider time, KernelWidth width)
    {
        using var start = new Barrier(threads);
        var operations = new double[threads];
        var seconds = new double[threads];
        var workers = Enumerable.Range(0, threads).Select(number => new Thread(() =>
        {
            start.SignalAndWait();
            var begin = time.GetTimestamp();
            do
            {
                operations[number] += KernelWidths.Run<float, double, Code>(width, default);
                seconds[number] = time.GetElapsedTime(begin).TotalSeconds;
            }
            while (seconds[number] < RunLength.TotalSeconds);
        })).ToArray();
        foreach (var worker in workers)
            worker.Start();
        foreach (var worker in workers)
            worker.Join();

        // All ran side by side, so their rates add up.
        return operations.Zip(seconds, (done, took) => done / took).Sum() / 1e9;
    }

    private readonly struct Code : IWidthGeneric<float, double>
    {
        public double Run<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<float, V>
        {
            // The sum of the chains is never NaN; that it is looked at keeps the loop from being removed.
            return TSimd.Any(TSimd.LessThan(Chain<V, TSimd>(), TSimd.Broadcast(0))) ? 0 : 2.0 * Chains * Rounds * TSimd.Count;
        }

        // Nothing but the loop: a call beside it would make the JIT keep the chains in memory.
        [MethodImpl(MethodImplOptions.AggressiveOptimization | MethodImplOptions.NoInlining)]
        private static V Chain<V, TSimd>()
            where V : unmanaged
            where TSimd : struct, ISimd<float, V>
        {
            // x ← x·m + a stays near 1.
            var m = TSimd.Broadcast(0.5f);
            var a = TSimd.Broadcast(0.5f);
            V x0 = a, x1 = a, x2 = a, x3 = a, x4 = a, x5 = a, x6 = a, x7 = a, x8 = a, x9 = a, x10 = a, x11 = a;
            for (var round = 0; round < Rounds; round++)
            {
                x0 = TSimd.MultiplyAdd(x0, m, a);
                x1 = TSimd.MultiplyAdd(x1, m, a);
                x2 = TSimd.MultiplyAdd(x2, m, a);
                x3 = TSimd.MultiplyAdd(x3, m, a);
                x4 = TSimd.MultiplyAdd(x4, m, a);
                x5 = TSimd.MultiplyAdd(x5, m, a);
                x6 = TSimd.MultiplyAdd(x6, m, a);
                x7 = TSimd.MultiplyAdd(x7, m, a);
                x8 = TSimd.MultiplyAdd(x8, m, a);
                x9 = TSimd.MultiplyAdd(x9, m, a);
                x10 = TSimd.MultiplyAdd(x10, m, a);
                x11 = TSimd.MultiplyAdd(x11, m, a);
            }

            x0 = TSimd.Add(TSimd.Add(TSimd.Add(x0, x1), TSimd.Add(x2, x3)), TSimd.Add(TSimd.Add(x4, x5), TSimd.Add(x6, x7)));
            return TSimd.Add(x0, TSimd.Add(TSimd.Add(x8, x9), TSimd.Add(x10, x11)));
        }
    }
}
