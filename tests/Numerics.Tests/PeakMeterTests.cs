namespace Orchestrator.Numerics.Tests;

public sealed class PeakMeterTests
{
    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Peak_is_measured_with_the_clock_that_is_given(int threads)
    {
        // Every reading advances this clock by the same step, whatever the machine does, so the work done is the only unknown.
        var steps = new CountingTime(TimeSpan.FromMilliseconds(25));
        var fast = new CountingTime(TimeSpan.FromMilliseconds(12.5));
        var slowClock = PeakMeter.Measure(threads, steps);
        var fastClock = PeakMeter.Measure(threads, fast);
        Assert.True(slowClock > 0 && double.IsFinite(slowClock));
        Assert.True(steps.Readings >= PeakMeter.Runs * threads * 2);
        if (threads == 1)
            Assert.Equal(2, fastClock / slowClock, 1e-9);
    }

    [Fact]
    public void No_thread_is_no_measurement() => Assert.Throws<ArgumentOutOfRangeException>(() => PeakMeter.Measure(0, TimeProvider.System));

    private sealed class CountingTime(TimeSpan step) : TimeProvider
    {
        private long _readings;

        public long Readings => Interlocked.Read(ref _readings);

        public override long TimestampFrequency => TimeSpan.TicksPerSecond;

        public override long GetTimestamp() => Interlocked.Increment(ref _readings) * step.Ticks;
    }
}
