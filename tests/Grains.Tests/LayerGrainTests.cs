using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Grains.Tests;

public sealed class LayerGrainTests
{
    private static readonly JobPlan s_plan = Planner.Plan(SampleJobs.Request(SampleJobs.Recipe(new RtnStep(4)), SampleJobs.Outline(SampleJobs.Layer("/conv"))));

    private readonly MemoryBlobStore _store = new();
    private readonly ManualClock _clock = new();
    private readonly RecordingScheduler _scheduler = new();
    private long _counter;

    [Fact]
    public async Task An_outcome_that_is_told_twice_is_committed_once_and_counted_once()
    {
        var (layer, _) = await StartAsync();
        var ended = End(_scheduler.Offered[^1], Echo(_scheduler.Offered[^1]));

        await layer.AttemptsEndedAsync([ended], CancellationToken.None);
        await layer.AttemptsEndedAsync([ended], CancellationToken.None);

        Assert.Single(await _store.NamesAsync("local/commits/"));
        Assert.Equal(2, _scheduler.Acknowledged);
        Assert.Equal(["layer/0/hessian", "layer/0/step/0/rows/0-63"], _scheduler.Offered.Select(o => o.Unit.Id));
    }

    [Fact]
    public async Task A_failure_that_is_told_twice_is_one_attempt()
    {
        var (layer, _) = await StartAsync();
        var unit = _scheduler.Offered[^1];
        var ended = End(unit, Outcome.SystemFailed(new Failure("flaky", "It happens.", Retryable: true)));

        for (var told = 0; told < 2 * RetryPolicy.Default.MaxAttempts; told++)
            await layer.AttemptsEndedAsync([ended], CancellationToken.None);
        _clock.Advance(RetryPolicy.Default.MaxDelay);

        Assert.Equal(2, _scheduler.Offered.Count);
        Assert.Equal(unit.Unit.Key, _scheduler.Offered[1].Unit.Key);
    }

    [Fact]
    public async Task Failed_attempts_are_counted_across_restarts()
    {
        for (var attempt = 1; attempt <= RetryPolicy.Default.MaxAttempts; attempt++)
        {
            var (layer, block) = await StartAsync();
            await layer.AttemptsEndedAsync(
                [End(_scheduler.Offered[^1], Outcome.SystemFailed(new Failure("flaky", "It happens.", Retryable: true)))], CancellationToken.None);
            await block.Host!.DeliverAsync();
            Assert.Equal(attempt == RetryPolicy.Default.MaxAttempts ? 1 : 0, block.Ends.Count);
        }
    }

    [Fact]
    public async Task A_unit_is_offered_with_the_workers_that_failed_it_and_after_a_shortage_with_more_memory_than_they_had()
    {
        var (layer, _) = await StartAsync();
        var estimate = _scheduler.Offered[0].MemoryBytes;

        foreach (var (worker, code, free) in new[] { ("a", "flaky", 1_000L), ("b", Failure.OutOfMemory, 8_000L), ("b", Failure.OutOfMemory, 4_000L) })
        {
            var end = End(_scheduler.Offered[^1], Outcome.SystemFailed(new Failure(code, "It happens.", Retryable: true)));
            await layer.AttemptsEndedAsync([end with { Worker = worker, FreeBytes = free }], CancellationToken.None);
            _clock.Advance(RetryPolicy.Default.MaxDelay);
        }

        Assert.Equal(["", "a", "a b", "a b"], _scheduler.Offered.Select(o => string.Join(' ', o.Avoid)));
        Assert.Equal([null, null, 10_000L, 10_000L], _scheduler.Offered.Select(o => o.WantedBytes));
        Assert.True(estimate > 0);
        Assert.All(_scheduler.Offered, offer => Assert.Equal(estimate, offer.MemoryBytes));
    }

    [Fact]
    public async Task What_fails_the_same_way_on_two_workers_and_is_not_to_be_retried_is_given_up_at_once()
    {
        var (layer, block) = await StartAsync();
        foreach (var worker in new[] { "a", "b" })
        {
            var end = End(_scheduler.Offered[^1], Outcome.WorkloadFailed(new Failure("data-not-finite", $"'{worker}' found NaN.", Retryable: false)));
            await layer.AttemptsEndedAsync([end with { Worker = worker }], CancellationToken.None);
            _clock.Advance(RetryPolicy.Default.MaxDelay);
        }

        await block.Host!.DeliverAsync();
        var trouble = Assert.Single(Assert.Single(block.Ends).Troubles);
        Assert.Equal(("quarantined", 2, "a b"), (trouble.Code, trouble.Attempts, string.Join(' ', trouble.Workers)));
        Assert.StartsWith("data-not-finite-", trouble.Fingerprint, StringComparison.Ordinal);
    }

    [Fact]
    public async Task What_only_this_worker_could_run_is_given_up_after_one_failure_that_is_not_to_be_retried()
    {
        var (layer, block) = await StartAsync();
        var end = End(_scheduler.Offered[^1], Outcome.WorkloadFailed(new Failure("data-not-finite", "It has NaN.", Retryable: false)));

        await layer.AttemptsEndedAsync([end with { HadNoOther = true }], CancellationToken.None);
        await block.Host!.DeliverAsync();

        Assert.Single(block.Ends);
    }

    [Theory]
    [InlineData(true, 5)]
    [InlineData(false, 10)]
    public async Task A_unit_that_takes_its_workers_down_with_it_is_given_up_in_the_end(bool isCrash, int losses)
    {
        var (layer, block) = await StartAsync();
        for (var loss = 1; loss <= losses; loss++)
        {
            Assert.Empty(block.Ends);
            await layer.AttemptsEndedAsync([End(_scheduler.Offered[^1], Outcome.Lost($"worker-{loss}")) with { Worker = $"worker-{loss}", IsCrash = isCrash }], CancellationToken.None);
            _clock.Advance(RetryPolicy.Default.MaxDelay);
            await block.Host!.DeliverAsync();
        }

        Assert.Single(block.Ends);
        Assert.Equal(isCrash ? losses - 1 : 0, _scheduler.Offered[^1].Avoid.Count);
    }

    [Fact]
    public async Task A_unit_that_is_always_handed_back_is_given_up_in_the_end()
    {
        const int Bound = 1_000;
        var (layer, block) = await StartAsync();
        for (var turn = 0; turn < Bound && block.Ends.Count == 0; turn++)
        {
            await layer.AttemptsEndedAsync([End(_scheduler.Offered[^1], Outcome.Cancelled("It stops."))], CancellationToken.None);
            _clock.Advance(RetryPolicy.Default.MaxDelay);
            await block.Host!.DeliverAsync();
        }

        Assert.Single(block.Ends);
    }

    [Fact]
    public async Task Outputs_under_names_that_are_not_the_attempts_own_are_refused()
    {
        var (layer, _) = await StartAsync();
        var offer = _scheduler.Offered[^1];
        var foreign = Outcome.Completed([new UnitOutput(Roles.Hessian, new BlobRef("local/inputs/x", SampleJobs.Digest('3'), 1))], new UnitMetrics());

        await layer.AttemptsEndedAsync([End(offer, foreign)], CancellationToken.None);

        Assert.Empty(await _store.NamesAsync("local/commits/"));
    }

    [Fact]
    public async Task After_a_stop_nothing_is_committed_and_a_start_of_the_same_run_that_comes_later_is_ignored()
    {
        var (layer, _) = await StartAsync();
        var offer = _scheduler.Offered[^1];

        await layer.StopAsync(Start.Job, CancellationToken.None);
        await layer.AttemptsEndedAsync([End(offer, Echo(offer))], CancellationToken.None);
        await layer.StartAsync(Start, CancellationToken.None);

        Assert.Empty(await _store.NamesAsync("local/commits/"));
        Assert.Single(_scheduler.Offered);
        await layer.StartAsync(Start with { Job = Start.Job with { Run = 1 } }, CancellationToken.None);
        Assert.Equal(2, _scheduler.Offered.Count);
    }

    [Fact]
    public async Task Workers_that_wait_open_more_units()
    {
        const int Waiting = 744;
        var pattern = Start.Layer;
        var large = pattern with { Shape = pattern.Shape with { Rows = 4 * Waiting }, Steps = [pattern.Steps[0] with { RangeRows = 1 }] };
        var (layer, _) = await StartAsync();
        await layer.StartAsync(Start with { Job = Start.Job with { Run = 1 }, Layer = large }, CancellationToken.None);
        var hessian = _scheduler.Offered[^1];

        _scheduler.Waiting = Waiting;
        await layer.AttemptsEndedAsync([End(hessian, Echo(hessian))], CancellationToken.None);

        Assert.Equal(PipelineState.DefaultWindow + Waiting, _scheduler.Offered.Count(o => o.Unit.Kind == UnitKind.Rows));
    }

    private static LayerStart Start => new(
        new JobPlace("local", s_plan.ComputeJobId(), 0, 0), 0, s_plan.Settings, s_plan.Layers[0],
        [.. Enumerable.Range(0, s_plan.Settings.CalibrationShards.Count).Select(i => new BlobRef($"local/gram/{i}", SampleJobs.Digest('5'), 8))]);

    private async Task<(LayerGrain Layer, RecordingBlock Block)> StartAsync()
    {
        var block = new RecordingBlock();
        var host = new FakeGrainHost(GrainKeys.Layer("local", s_plan.ComputeJobId(), 0), _store, _clock, _scheduler, block, new DeafModel());
        block.Host = host;
        var layer = new LayerGrain(host, new CheckpointStore(_store), RetryPolicy.Default);
        await layer.StartAsync(Start, CancellationToken.None);
        host.Lose();
        return (layer, block);
    }

    private AttemptEnd End(UnitOffer offer, Outcome outcome) => new(offer.Owner, offer.Unit, new Epoch(1, ++_counter), "worker", outcome);

    /// <summary>What a worker would report under the epoch that <see cref="End"/> gives next.</summary>
    private Outcome Echo(UnitOffer offer)
    {
        var prefix = BlobNames.OutputPrefix("local", offer.Unit.Key, new Epoch(1, _counter + 1));
        return Outcome.Completed(
            [.. EchoOutputs.Roles(offer.Unit).Select(role => new UnitOutput(role, new BlobRef(BlobNames.Output(prefix, role), SampleJobs.Digest('6'), 8)))],
            EchoOutputs.Metrics(offer.Unit));
    }

    private sealed class RecordingBlock : IBlockGrain
    {
        public FakeGrainHost? Host { get; set; }

        public List<LayerEnd> Ends { get; } = [];

        public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken)
        {
            Ends.Add(ended);
            return Task.CompletedTask;
        }

        public Task StartLayerAsync(LayerStart start, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task RepairLayerAsync(JobPlace job, int layer, BlobRef damaged, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(JobPlace job, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class DeafModel : IModelGrain
    {
        public Task AttemptsEndedAsync(IReadOnlyList<AttemptEnd> ended, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<JobStarted> StartAsync(JobStart start, CancellationToken cancellationToken) => throw new NotSupportedException();

        public IAsyncEnumerable<JobProgress> WatchAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<ModelStanding?> DescribeAsync(int most, CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task<JobResult> ResultAsync(CancellationToken cancellationToken) => throw new NotSupportedException();

        public Task StopAsync(string reason, bool resumable, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task LayerProgressedAsync(LayerProgress progress, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task LayerStarvedAsync(JobPlace place, int layer, BlobRef damaged, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task FailAsync(string reason, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StoreFailedAsync(JobPlace place, string reason, CancellationToken cancellationToken) => Task.CompletedTask;
    }

    private sealed class RecordingScheduler : ISchedulerGrain
    {
        public List<UnitOffer> Offered { get; } = [];

        public int Acknowledged { get; private set; }

        /// <summary>Requests that the next offers find.</summary>
        public int Waiting { get; set; }

        public Task<int> OfferAsync(IReadOnlyList<UnitOffer> offers, CancellationToken cancellationToken)
        {
            Offered.AddRange(offers);
            var waiting = Waiting;
            Waiting = 0;
            return Task.FromResult(waiting);
        }

        public Task AcknowledgeAsync(IReadOnlyList<Epoch> epochs, CancellationToken cancellationToken)
        {
            Acknowledged += epochs.Count;
            return Task.CompletedTask;
        }

        public Task WithdrawAsync(UnitOwner owner, CancellationToken cancellationToken) => Task.CompletedTask;

        public Task<ScheduleStanding> DescribeAsync(ScheduleQuestion question, CancellationToken cancellationToken) => Task.FromResult(new ScheduleStanding(0, 0, [], []));

        public Task<Lease?> FindLeaseAsync(string worker, Epoch epoch, CancellationToken cancellationToken) => Task.FromResult<Lease?>(null);

        public Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Lease>>([]);

        public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) => Task.FromResult<IReadOnlyList<Epoch>>([]);

        public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken) => Task.FromResult(true);
    }
}
