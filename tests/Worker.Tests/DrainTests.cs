using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

public sealed class DrainTests : IDisposable
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    private readonly CancellationTokenSource _drain = new();
    private readonly CancellationTokenSource _handBack = new();
    private readonly TaskCompletionSource _finish = new();

    public void Dispose()
    {
        _drain.Dispose();
        _handBack.Dispose();
    }

    [Fact]
    public async Task What_is_under_way_ends_and_nothing_more_is_taken()
    {
        var scheduler = new OneLease(s_lease, leases: 2);
        var working = Start(scheduler);
        await scheduler.Running.Task;

        await _drain.CancelAsync();
        Assert.False(working.IsCompleted);
        _finish.SetResult();
        await working;

        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
        Assert.Single(scheduler.Requests);
    }

    [Fact]
    public async Task Leases_are_renewed_while_the_worker_drains()
    {
        var clock = new ManualClock();
        var scheduler = new OneLease(s_lease);
        var working = Start(scheduler, clock);
        await scheduler.Running.Task;
        await _drain.CancelAsync();

        for (var beat = 0; beat < 8; beat++)
        {
            var heard = scheduler.NextHeartbeat();
            clock.Advance(TimeSpan.FromSeconds(5));
            await heard;
        }

        _finish.SetResult();
        await working;

        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
    }

    /// <summary>The connection breaks in the moment in which the last unit ends.</summary>
    [Fact]
    public async Task A_heartbeat_that_fails_as_the_worker_ends_is_no_failure_of_the_worker()
    {
        var clock = new ManualClock();
        var scheduler = new OneLease(s_lease) { BreaksOff = new IOException("Connection reset by peer.") };
        var working = Start(scheduler, clock);
        await scheduler.Running.Task;
        await _drain.CancelAsync();
        var heard = scheduler.NextHeartbeat();
        clock.Advance(TimeSpan.FromSeconds(10));
        await heard;

        _finish.SetResult();
        await working;

        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
    }

    [Fact]
    public async Task What_does_not_end_in_time_is_handed_back()
    {
        var scheduler = new OneLease(s_lease);
        var working = Start(scheduler);
        await scheduler.Running.Task;
        await _drain.CancelAsync();

        await _handBack.CancelAsync();
        await working;

        Assert.Equal([OutcomeKind.Cancelled], scheduler.Reported.Select(o => o.Kind));
    }

    [Fact]
    public async Task An_idle_worker_drains_at_once()
    {
        var scheduler = new OneLease(s_lease, leases: 0);
        var working = Start(scheduler);
        await scheduler.AskedAgain.Task;

        await _drain.CancelAsync();
        await working;

        Assert.Empty(scheduler.Reported);
    }

    private Task Start(OneLease scheduler, TimeProvider? clock = null)
    {
        var runner = new EchoRunner((_, token) =>
        {
            scheduler.Running.TrySetResult();
            return _finish.Task.WaitAsync(token);
        });
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots: 1);
        return new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), options, clock ?? new ManualClock()).RunAsync(_drain.Token, _handBack.Token);
    }
}
