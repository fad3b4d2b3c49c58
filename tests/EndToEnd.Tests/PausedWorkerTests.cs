using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Servers;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>A worker's process that stands still for longer than its lease.</summary>
public sealed class PausedWorkerTests
{
    /// <summary>What a worker leaves unused at the end of a lease is 5 s, so that this one stops its unit after 3 s without a heartbeat.</summary>
    private const int LeaseSeconds = 8;

    private const int Images = 10_000;

    private static readonly TimeSpan s_patience = TimeSpan.FromMinutes(3);
    private static readonly Epoch s_epoch = new(1, 1);

    [Fact]
    public async Task A_worker_that_was_paused_beyond_its_lease_stops_the_unit_by_itself_and_tells_no_result()
    {
        using var workspace = new Workspace();
        var script = new Script(await UnitAsync(workspace));
        await using var server = await FakeServer.StartAsync(script.AnswerAsync);
        using var worker = Orc.Start(workspace.Folder, "worker", "--server", server.Address.ToString(), "--store", "store", "--slots", "1", "--name", "w");
        try
        {
            await script.Running.Task.WaitAsync(s_patience);
            await Signals.PauseAsync(worker, LeaseSeconds);
            await script.AskedAgain.Task.WaitAsync(s_patience);
        }
        finally
        {
            worker.Kill();
        }

        Assert.DoesNotContain(server.Requests, request => request.Path == WorkerRoutes.Completions);
    }

    /// <summary>Takes many seconds: every image in a batch of its own.</summary>
    private static async Task<WorkUnit> UnitAsync(Workspace workspace)
    {
        var blobs = new TensorBlobs(FileBlobStore.Open(workspace["store"], TimeProvider.System));
        return new WorkUnit
        {
            Id = "evaluate/float/0",
            Key = new string('d', 64),
            Kind = UnitKind.Evaluate,
            Spec = new EvaluateSpec("top1", 0, Images, 1, new Preprocess(), Latency: false),
            Inputs = [new UnitInput(Roles.Model, await ImportAsync(Workspace.Model)), new UnitInput(Roles.Data, await ImportAsync(Workspace.Test))],
            Profile = "",
            Cost = 1,
        };

        Task<BlobRef> ImportAsync(string file) =>
            blobs.ImportAsync("local", workspace.Sha256(file), new FileInfo(workspace[file]).Length, () => File.OpenRead(workspace[file]), CancellationToken.None);
    }

    /// <summary>Gives one unit, renews its lease once, and is not heard of then.</summary>
    private sealed class Script(WorkUnit unit)
    {
        private int _leases;

        public TaskCompletionSource Running { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public TaskCompletionSource AskedAgain { get; } = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public async Task<FakeAnswer> AnswerAsync(FakeRequest request)
        {
            switch (request.Path)
            {
                case WorkerRoutes.Registrations:
                    return FakeAnswer.Of(new WorkerTerms(TimeSpan.FromSeconds(1), "shared"));
                case WorkerRoutes.Leases when Interlocked.Increment(ref _leases) == 1:
                    var wanted = unit with { Profile = request.As<LeaseRequest>().Profiles[0] };
                    return FakeAnswer.Of<Lease[]>([new Lease(wanted, s_epoch, "local/attempts/1", TimeSpan.FromSeconds(LeaseSeconds))]);
                case WorkerRoutes.Leases:
                    AskedAgain.TrySetResult();
                    await new TaskCompletionSource().Task.WaitAsync(request.Gone);
                    throw new OperationCanceledException(request.Gone);
                case WorkerRoutes.Heartbeats when !Running.Task.IsCompleted:
                    Running.SetResult();
                    return FakeAnswer.Of<Epoch[]>([s_epoch]);
                case WorkerRoutes.Heartbeats:
                    return FakeAnswer.Lost;
                default:
                    return FakeAnswer.Of(true);
            }
        }
    }
}
