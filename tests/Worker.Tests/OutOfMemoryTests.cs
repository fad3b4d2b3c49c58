using System.Collections.Concurrent;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

public sealed class OutOfMemoryTests
{
    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    public static TheoryData<Exception> Failures() =>
    [
        new OutOfMemoryException(),
        new InsufficientMemoryException("The device is full."),
        new OrtException(OrtErrorCode.Fail, "Non-zero status code returned while running Conv node. /onnxruntime_src/bfc_arena.cc:376 Failed to allocate memory for requested buffer of size 73400320"),
        new OrtException(OrtErrorCode.RuntimeException, "Exception during initialization: std::bad_alloc"),
        new OrtException(OrtErrorCode.ExecutionProviderFail, "CUDA failure 2: out of memory ; GPU=0"),
    ];

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_unit_that_lacks_memory_is_tried_once_more_with_half_the_batch_and_no_caches(Exception failure)
    {
        var runner = new HungryRunner(failure, times: 1);
        var scheduler = new OneLease(s_lease);

        await RunAsync(scheduler, runner, slots: 1);

        Assert.Equal([OutcomeKind.Completed], scheduler.Reported.Select(o => o.Kind));
        Assert.Equal([8, 4], runner.Batches);
        Assert.Equal(1, runner.Reclaimed);
    }

    [Fact]
    public async Task A_unit_that_lacks_memory_twice_is_handed_back_for_another_worker()
    {
        var scheduler = new OneLease(s_lease);

        await RunAsync(scheduler, new HungryRunner(new OutOfMemoryException(), times: 2), slots: 1);

        var outcome = Assert.Single(scheduler.Reported);
        Assert.Equal((OutcomeKind.SystemFailed, "out-of-memory", true), (outcome.Kind, outcome.Failure!.Code, outcome.Failure.Retryable));
    }

    [Fact]
    public async Task Another_batch_that_does_not_fit_the_model_does_not_hide_what_was_lacking()
    {
        var scheduler = new OneLease(s_lease);
        var runner = new HungryRunner(new OutOfMemoryException(), times: 1, later: new OrtException(OrtErrorCode.InvalidArgument, "Got invalid dimensions for input"));

        await RunAsync(scheduler, runner, slots: 1);

        Assert.Equal("out-of-memory", Assert.Single(scheduler.Reported).Failure!.Code);
    }

    [Theory]
    [InlineData("nll", 8)]
    [InlineData("cosine", 8)]
    [InlineData("top1", 1)]
    public async Task Where_the_batch_is_part_of_the_result_it_stays_as_it_is(string metric, int batch)
    {
        var runner = new HungryRunner(new OutOfMemoryException(), times: 1);
        var scheduler = new OneLease(s_lease) { Shape = unit => unit with { Spec = new EvaluateSpec(metric, 0, 8, batch, new(), Latency: false) } };

        await RunAsync(scheduler, runner, slots: 1);

        Assert.Equal([batch, batch], runner.Batches);
    }

    [Fact]
    public async Task The_second_try_has_the_machine_for_itself()
    {
        var runner = new HungryRunner(new OutOfMemoryException(), times: 1) { TakesTurns = true };
        var scheduler = new OneLease(s_lease, leases: 9);

        await RunAsync(scheduler, runner, slots: 3);

        Assert.All(scheduler.Reported, outcome => Assert.Equal(OutcomeKind.Completed, outcome.Kind));
        Assert.Equal(9, scheduler.Reported.Count);
        Assert.Equal(1, runner.BesideTheSecondTry);
    }

    private static async Task RunAsync(OneLease scheduler, IUnitRunner runner, int slots)
    {
        var options = WorkerOptions.Create("worker", SampleJobs.Profile, slots);
        using var drain = new CancellationTokenSource();
        var working = new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), options, new ManualClock()).RunAsync(drain.Token, CancellationToken.None);
        await scheduler.AskedAgain.Task;
        await drain.CancelAsync();
        await working;
    }

    /// <summary>Lacks memory some times.</summary>
    /// <param name="later">What a smaller batch fails with; null where it works.</param>
    private sealed class HungryRunner(Exception failure, int times, Exception? later = null) : IUnitRunner, IReclaimable
    {
        private readonly ConcurrentQueue<int> _batches = [];
        private int _failed;
        private int _running;
        private int _reclaimed;

        public IReadOnlyList<int> Batches => [.. _batches];

        public int Reclaimed => _reclaimed;

        /// <summary>Units give others the chance to run beside them.</summary>
        public bool TakesTurns { get; init; }

        /// <summary>Most units that ran at once while a smaller one did, that one included.</summary>
        public int BesideTheSecondTry { get; private set; }

        public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
        {
            var batch = ((EvaluateSpec)unit.Spec).Batch;
            _batches.Enqueue(batch);
            Interlocked.Increment(ref _running);
            try
            {
                for (var turn = 0; TakesTurns && turn < 50; turn++)
                {
                    await Task.Yield();
                    if (batch == 4)
                        BesideTheSecondTry = Math.Max(BesideTheSecondTry, Volatile.Read(ref _running));
                }

                if (Interlocked.Increment(ref _failed) <= times)
                    throw failure;
                return later is null ? new UnitMetrics() : throw later;
            }
            finally
            {
                Interlocked.Decrement(ref _running);
            }
        }

        public void Reclaim() => Interlocked.Increment(ref _reclaimed);
    }
}
