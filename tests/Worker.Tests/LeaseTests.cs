using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
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
        var stoppedAt = new TaskCompletionSource<DateTimeOffset>();
        var runner = new EchoRunner(async (_, token) =>
        {
            scheduler.Running.SetResult();
            await using var stop = token.Register(() => stoppedAt.SetResult(clock.GetUtcNow()));
            await new TaskCompletionSource().Task.WaitAsync(token);
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

    /// <summary>A scheduler with one unit to give.</summary>
    private sealed class OneLease(TimeSpan duration) : ISchedulerGrain
    {
        private TaskCompletionSource _heartbeat = new();
        private int _asked;

        public bool IsDeaf { get; init; }

        public List<Outcome> Reported { get; } = [];

        public TaskCompletionSource Running { get; } = new();

        public TaskCompletionSource AskedAgain { get; } = new();

        public Task NextHeartbeat() => (_heartbeat = new TaskCompletionSource()).Task;

        public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
        {
            if (Interlocked.Increment(ref _asked) > 1)
            {
                AskedAgain.TrySetResult();
                await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
            }

            var unit = new WorkUnit
            {
                Id = "compare",
                Key = SampleJobs.Digest('d'),
                Kind = UnitKind.Evaluate,
                Spec = new EvaluateSpec("top1", 0, 1, 1, new(), Latency: false),
                Inputs = [],
                Profile = request.Profiles[0],
                Cost = 1,
            };
            return [new Lease(unit, new Epoch(1, 1), "local/attempts/1", duration)];
        }

        public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken)
        {
            if (IsDeaf)
                throw new IOException("No route to host.");
            _heartbeat.TrySetResult();
            return Task.FromResult<IReadOnlyList<Epoch>>([.. heartbeat.Attempts.Select(a => a.Epoch)]);
        }

        public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
        {
            Reported.Add(outcome);
            return Task.FromResult(true);
        }

        public Task OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken) => Task.FromResult(new ScheduleStanding(0, 0, [], []));

        public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken) => Task.FromResult<Lease?>(null);
    }
}
