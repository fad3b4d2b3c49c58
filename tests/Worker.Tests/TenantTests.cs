using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Time;
using Orchestrator.Worker.Caching;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

public sealed class TenantTests : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("cache-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task What_belongs_to_a_tenant_goes_with_its_last_unit_and_not_before()
    {
        var store = new MemoryBlobStore();
        var blobs = new TensorBlobs(store);
        var runner = new Reading();
        using var drain = new CancellationTokenSource();
        using var cache = DiskCache.Open(_folder.FullName, long.MaxValue, _ => long.MaxValue);
        var downloaded = new List<long>();
        var turns = new Turns(["first", "first", "second", "first"], blobs, () => downloaded.Add(cache.Downloaded));
        var worker = new WorkerLoop(turns, runner, blobs, WorkerOptions.Create("worker", SampleJobs.Profile, 1), new ManualClock(), new WorkerMeans { Cache = cache });
        var working = worker.RunAsync(drain.Token);
        await turns.Over.Task;
        await drain.CancelAsync();
        await working;

        // The second unit of a tenant finds its input; whoever comes after another tenant does not.
        Assert.Equal([0, 5, 5, 11, 16], downloaded);
        Assert.Equal(3, runner.Reclaimed);
        Assert.DoesNotContain(Directory.EnumerateFiles(_folder.FullName, "*", SearchOption.AllDirectories), file => !file.EndsWith(".claim", StringComparison.Ordinal));
    }

    private sealed class Reading : IUnitRunner, IReclaimable
    {
        public int Reclaimed { get; private set; }

        public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
        {
            await context.ReadAsync(unit.Inputs[0].Blob, cancellationToken);
            return new UnitMetrics();
        }

        public void Reclaim() => Reclaimed++;
    }

    /// <summary>Gives a unit of one tenant after the other, each with one input, the tenant's name; then nothing.</summary>
    private sealed class Turns(IReadOnlyList<string> tenants, TensorBlobs blobs, Action asked) : IWorkerScheduler
    {
        private int _turn;

        public TaskCompletionSource Over { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken)
        {
            if (_turn > tenants.Count)
            {
                Over.TrySetResult();
                await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
            }

            asked();
            if (_turn++ == tenants.Count)
                return [];
            var tenant = tenants[_turn - 1];
            var input = await blobs.WriteAsync($"{tenant}/inputs/{_turn}", System.Text.Encoding.UTF8.GetBytes(tenant), cancellationToken);
            var unit = new WorkUnit
            {
                Id = $"evaluate/{_turn}",
                Key = SampleJobs.Digest('d'),
                Kind = UnitKind.Evaluate,
                Spec = new EvaluateSpec("top1", 0, 8, 8, new(), Latency: false),
                Inputs = [new UnitInput(Roles.Model, input)],
                Profile = request.Profiles[0],
                Cost = 1,
            };
            return [new Lease(unit, new Epoch(1, _turn), $"{tenant}/attempts/{_turn}", TimeSpan.FromSeconds(30))];
        }

        public Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) =>
            Task.FromResult<IReadOnlyList<Epoch>>([.. heartbeat.Attempts.Select(a => a.Epoch)]);

        public Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken) => Task.FromResult(true);
    }
}
