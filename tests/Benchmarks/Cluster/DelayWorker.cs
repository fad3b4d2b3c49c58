using System.Globalization;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.Worker.Leasing;
using Orchestrator.Worker.Servers;

namespace Orchestrator.Benchmarks.Cluster;

/// <summary>
/// A worker as a process of its own whose units take a fixed time instead of computing: <c>delay-worker SERVER STORE NAME MILLISECONDS</c>. All but
/// the computing is a real worker's: its connection, its loop, its heartbeats, inputs read and verified, outputs written.
/// </summary>
internal static class DelayWorker
{
    public const string Verb = "delay-worker";

    public static async Task RunAsync(string[] args)
    {
        var (server, store, name) = (new Uri(args[0]), FileBlobStore.OpenExisting(args[1]), args[2]);
        var pause = int.Parse(args[3], CultureInfo.InvariantCulture);
        var registration = new WorkerRegistration(name, 1, [SampleJobs.Profile], [new WorkerDevice("cpu", "none", null)], "bench");
        using var scheduler = new HttpScheduler([server], null, registration, (_, _) => { }, TimeProvider.System);
        var terms = await scheduler.RegisterAsync(CancellationToken.None);
        var options = WorkerOptions.Create(name, SampleJobs.Profile, 1) with { HeartbeatEvery = terms.HeartbeatEvery };
        await new WorkerLoop(scheduler, new DelayRunner(pause), new TensorBlobs(store), options, TimeProvider.System).RunAsync(CancellationToken.None);
    }

    private sealed class DelayRunner(int pause) : IUnitRunner
    {
        public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
        {
            var inputs = new List<ReadOnlyMemory<byte>>();
            foreach (var input in unit.Inputs)
                inputs.Add(await context.ReadAsync(input.Blob, cancellationToken));
            await ClusterThroughput.PauseAsync(pause, cancellationToken);
            foreach (var role in EchoOutputs.Roles(unit))
                await context.WriteAsync(role, EchoOutputs.Content(unit, role, inputs), cancellationToken);
            return EchoOutputs.Metrics(unit);
        }
    }
}
