using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;
using Orchestrator.Worker.Caching;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

public sealed class DiskFullTests : IDisposable
{
    private const int NoSpace = 28;

    private static readonly TimeSpan s_lease = TimeSpan.FromSeconds(30);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cache-");
    private readonly ManualClock _clock = new();
    private long _free;

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task A_unit_that_does_not_fit_is_handed_back_and_nothing_is_taken_until_there_is_room()
    {
        var observer = new Notes();
        var scheduler = new OneLease(s_lease) { Shape = unit => unit with { Inputs = [new UnitInput(Roles.Model, new BlobRef("local/inputs/x", SampleJobs.Digest('a'), 100))] } };
        var runner = new EchoRunner();
        using var drain = new CancellationTokenSource();
        using var cache = DiskCache.Open(_folder.FullName, long.MaxValue, _ => _free);
        var means = new WorkerMeans { Cache = cache, Observer = observer };
        var working = new WorkerLoop(scheduler, runner, new TensorBlobs(new MemoryBlobStore()), WorkerOptions.Create("worker", SampleJobs.Profile, 1), _clock, means).RunAsync(drain.Token);
        await observer.Full.Task;

        var outcome = Assert.Single(scheduler.Reported);
        Assert.Equal((OutcomeKind.SystemFailed, "disk-full", true), (outcome.Kind, outcome.Failure!.Code, outcome.Failure.Retryable));
        Assert.Contains(_folder.FullName, outcome.Failure.Message, StringComparison.Ordinal);
        Assert.Empty(runner.Ran);
        Assert.Single(scheduler.Requests);

        Interlocked.Exchange(ref _free, 100);
        while (!scheduler.AskedAgain.Task.IsCompleted)
        {
            _clock.Advance(TimeSpan.FromSeconds(1));
            await Task.Yield();
        }

        await drain.CancelAsync();
        await working;
    }

    [Fact]
    public void A_disk_that_fills_up_under_a_unit_is_the_systems_failure()
    {
        var outcome = AttemptOutcome.FromException(new IOException("No space left on device : '/data/x'") { HResult = NoSpace });

        Assert.Equal((OutcomeKind.SystemFailed, "disk-full"), (outcome.Kind, outcome.Failure!.Code));
    }

    private sealed class Notes : IWorkerObserver
    {
        public TaskCompletionSource Full { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public void Started(Lease lease)
        {
        }

        public void Ended(Lease lease, Outcome outcome, TimeSpan time, bool isTold)
        {
        }

        public void Noted(string kind, string message)
        {
            if (kind == "disk-full")
                Full.TrySetResult();
        }
    }
}
