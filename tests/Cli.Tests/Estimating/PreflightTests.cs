using Orchestrator.Cli.Estimating;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Estimates;

namespace Orchestrator.Cli.Tests.Estimating;

public sealed class PreflightTests
{
    private static readonly JobEstimate s_estimate = new()
    {
        Seconds = 10,
        CpuSeconds = 20,
        MemoryBytes = 900,
        DiskBytes = 5_000,
        Phases = [],
        Memory = new MemoryEstimate(100, 200, 150, "layer/1/step/0/rows/0-7"),
        Disk = new DiskEstimate(1_000, 3_000, 900, 100, 400),
    };

    private static Preflight Check(long memory, long disk, long stored = 0) =>
        Preflight.Of(s_estimate, 4, new MachineLimits(memory, _ => disk), "/store", () => stored);

    [Fact]
    public void Enough_of_everything_warns_of_nothing() => Assert.Empty(Check(900, 5_000).Warnings);

    [Theory]
    [InlineData(899, "--slots 3")]
    [InlineData(620, "--slots 2")]
    [InlineData(450, "--slots 1")]
    [InlineData(449, "not even one slot fits")]
    public void Too_little_memory_names_the_slots_that_fit(long memory, string remedy) =>
        Assert.Contains(remedy, Assert.Single(Check(memory, 5_000).Warnings), StringComparison.Ordinal);

    [Fact]
    public void Too_little_disk_is_an_error_unless_the_store_holds_the_rest_already()
    {
        var error = Assert.Throws<InputException>(() => Check(900, 4_999));

        Assert.Equal("disk-too-small", error.Code);
        Assert.NotEmpty(error.Remedy);
        Assert.Empty(Check(900, 1_000, stored: 4_000).Warnings);
    }

    [Fact]
    public void The_groups_of_a_process_are_its_own_and_all_above()
    {
        Assert.Equal(
            ["/sys/fs/cgroup/a/b", "/sys/fs/cgroup/a", "/sys/fs/cgroup"],
            MachineLimits.GroupFolders("0::/a/b\n"));
        Assert.Equal(
            ["/sys/fs/cgroup/memory/x", "/sys/fs/cgroup/memory"],
            MachineLimits.GroupFolders("11:cpu,cpuacct:/y\n7:memory:/x\n"));
    }

    [Fact]
    public void This_machine_has_memory_and_disk()
    {
        var limits = MachineLimits.OfThisMachine();

        Assert.True(limits.MemoryBytes > 0);
        Assert.True(limits.FreeDiskBytes(Path.Combine(Path.GetTempPath(), "no", "such", "folder")) > 0);
    }

    [Fact]
    public void A_phase_that_comes_back_goes_on_counting()
    {
        var clock = new ManualClock();
        var times = new PhaseTimes(clock);
        foreach (var (phase, seconds) in new[] { ("statistics", 2), ("layers", 3), ("statistics", 5) })
        {
            times.Enter(phase);
            clock.Advance(seconds);
        }

        times.Enter(null);
        clock.Advance(7);

        Assert.Equal(7, times.Seconds["statistics"]);
        Assert.Equal(3, times.Seconds["layers"]);
    }

    [Fact]
    public void An_interrupted_measurement_counts_its_work_and_tells_of_the_crowd()
    {
        var clock = new ManualClock();
        var processor = TimeSpan.Zero;
        var watches = new Stopwatches(clock, () => processor);

        var start = watches.Start();
        Work();
        Assert.Equal(2, watches.Seconds(start));
        Assert.Equal(1, watches.Contention);

        Assert.Equal(2, watches.Together([Work], TimeSpan.FromSeconds(10)));
        Assert.Equal(3, watches.Contention);
        Assert.Equal(18, clock.GetElapsedTime(0).TotalSeconds);

        void Work()
        {
            clock.Advance(6);
            processor += TimeSpan.FromSeconds(2);
        }
    }

    [Fact]
    public void What_fails_on_one_of_several_threads_fails_for_the_caller()
    {
        var watches = new Stopwatches(TimeProvider.System, () => TimeSpan.Zero);

        var failure = Assert.Throws<InvalidOperationException>(() => watches.Together([() => { }, () => throw new InvalidOperationException("refused")], TimeSpan.Zero));

        Assert.Equal("refused", failure.Message);
    }
}
