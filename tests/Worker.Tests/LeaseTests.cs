using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

public sealed class LeaseTests
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    [Fact]
    public async Task A_unit_whose_lease_cannot_be_renewed_stops_before_the_lease_ends_and_reports_nothing()
    {
        var clock = new ManualClock();
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        var scheduler = new OneLease(s_lease) { IsDeaf = true };
        var stoppedAt = new TaskCompletionSource<DateTimeOffset>(TaskCreationOptions.RunContinuationsAsynchronously);
        var runner = new EchoRunner(async (_, token) =>
        {
            // Not a second registration, whose cancellation would come first and might take this one away.
            await using var stop = token.Register(() => stoppedAt.SetResult(clock.GetUtcNow()));
            scheduler.Running.SetResult();
            await stoppedAt.Task;
            token.ThrowIfCancellationRequested();
        });
        using var drain = new CancellationTokenSource();
        var working = new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), options, clock).RunAsync(drain.Token);
        await scheduler.Running.Task;

        clock.Advance(s_lease);
        var stopped = await stoppedAt.Task;
        await scheduler.AskedAgain.Task;
        await drain.CancelAsync();
        await working;

        Assert.Equal(DateTimeOffset.UnixEpoch + s_lease - options.SkewMargin, stopped);
        Assert.Empty(scheduler.Reported);
    }

    [Fact]
    public async Task A_worker_that_is_asked_to_stop_hands_its_unit_back()
    {
        var scheduler = new OneLease(s_lease);
        var runner = new EchoRunner((_, token) =>
        {
            scheduler.Running.SetResult();
            return new TaskCompletionSource().Task.WaitAsync(token);
        });
        using var drain = new CancellationTokenSource();
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        var working = new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), options, new ManualClock()).RunAsync(drain.Token);
        await scheduler.Running.Task;

        await drain.CancelAsync();
        await working;

        Assert.Equal([OutcomeKind.Cancelled], scheduler.Reported.Select(o => o.Kind));
    }

    [Fact]
    public async Task Leases_are_renewed_as_long_as_the_unit_runs()
    {
        var clock = new ManualClock();
        var scheduler = new OneLease(s_lease);
        var finish = new TaskCompletionSource();
        var runner = new EchoRunner((_, token) =>
        {
            scheduler.Running.SetResult();
            return finish.Task.WaitAsync(token);
        });
        using var drain = new CancellationTokenSource();
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        var working = new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), options, clock).RunAsync(drain.Token);
        await scheduler.Running.Task;

        for (var beat = 0; beat < 3 * s_lease / options.HeartbeatEvery; beat++)
        {
            var heard = scheduler.NextHeartbeat();
            clock.Advance(options.HeartbeatEvery);
            await heard;
        }

        finish.SetResult();
        await scheduler.AskedAgain.Task;
        await drain.CancelAsync();
        await working;

        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
    }

    [Fact]
    public async Task A_lease_that_a_long_wait_brought_counts_from_the_end_of_the_wait()
    {
        var clock = new ManualClock();
        var waited = s_lease + TimeSpan.FromSeconds(1);
        var scheduler = new OneLease(s_lease) { Waits = () => clock.Advance(waited), Waited = waited };
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        using var drain = new CancellationTokenSource();
        var working = new WorkerLoop(scheduler, new EchoRunner(), new TensorBlobs(new MemoryBlobStore()), options, clock).RunAsync(drain.Token);
        await scheduler.AskedAgain.Task;
        await drain.CancelAsync();
        await working;

        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
    }

    [Fact]
    public async Task A_unit_whose_lease_the_coordinator_has_ended_stops_with_the_next_heartbeat_and_reports_nothing()
    {
        var clock = new ManualClock();
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        var scheduler = new OneLease(s_lease) { IsWithdrawn = true };
        var stoppedAt = new TaskCompletionSource<DateTimeOffset>(TaskCreationOptions.RunContinuationsAsynchronously);
        var runner = new EchoRunner(async (_, token) =>
        {
            await using var stop = token.Register(() => stoppedAt.SetResult(clock.GetUtcNow()));
            scheduler.Running.SetResult();
            await stoppedAt.Task;
            token.ThrowIfCancellationRequested();
        });
        using var drain = new CancellationTokenSource();
        var working = new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), options, clock).RunAsync(drain.Token);
        await scheduler.Running.Task;

        clock.Advance(options.HeartbeatEvery);
        var stopped = await stoppedAt.Task;
        await scheduler.AskedAgain.Task;
        await drain.CancelAsync();
        await working;

        Assert.Equal(DateTimeOffset.UnixEpoch + options.HeartbeatEvery, stopped);
        Assert.Empty(scheduler.Reported);
    }

    [Fact]
    public async Task A_result_is_told_again_until_it_is_heard()
    {
        var told = 0;
        // So long that the lease outlasts any number of steps of the clock.
        var scheduler = new OneLease(TimeSpan.FromDays(10_000)) { Hears = _ => ++told > 2 ? true : throw new IOException($"Lost the {told}. answer.") };

        await RunUntilAskedAgainAsync(scheduler);

        Assert.Equal(3, told);
        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
    }

    [Fact]
    public async Task A_result_that_nobody_hears_is_told_no_longer_than_the_lease_lasts()
    {
        var told = 0;
        var scheduler = new OneLease(s_lease) { IsDeaf = true, Hears = _ => throw new IOException($"Lost the {++told}. answer.") };

        await RunUntilAskedAgainAsync(scheduler);

        Assert.InRange(told, 0, (int)s_lease.TotalSeconds);
        Assert.Empty(scheduler.Reported);
    }

    private static async Task RunUntilAskedAgainAsync(OneLease scheduler)
    {
        var clock = new ManualClock();
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        using var drain = new CancellationTokenSource();
        var working = new WorkerLoop(scheduler, new EchoRunner(), new TensorBlobs(new MemoryBlobStore()), options, clock).RunAsync(drain.Token);
        while (!scheduler.AskedAgain.Task.IsCompleted)
        {
            clock.Advance(TimeSpan.FromMilliseconds(100));
            await Task.Yield();
        }

        await drain.CancelAsync();
        await working;
    }
}
