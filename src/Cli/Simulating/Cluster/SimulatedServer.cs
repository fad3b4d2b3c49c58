using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Serving;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>One server process: the product's own node, leadership, jobs and grains, over a store that may fail.</summary>
internal sealed class SimulatedServer
{
    private readonly SimulatedCluster _cluster;
    private readonly SimulationHooks _hooks;
    private readonly IBlobStore _store;
    private readonly TensorBlobs _tensors;
    private readonly HashSet<long> _terms = [];
    private int _coordinators;

    public SimulatedServer(SimulatedCluster cluster, SimulatedProcess process, Uri address, SimulationHooks hooks)
    {
        (_cluster, Process, Address, _hooks) = (cluster, process, address, hooks);
        cluster.Witness.Coordinates(process);
        Link = new SimulatedStoreLink(cluster.World, process, cluster.Truth, cluster.Faults);
        _store = hooks.ServerStore(hooks.Store(new RetryingBlobStore(Link, StoreRetryOptions.Default, process.Clock, new Dice(4, process.Name).NextDouble)), process.Clock);
        _tensors = new TensorBlobs(_store);
        Node = new ServerNode(ServerNodeOptions.Default, new ServerNodeParts(
            new ServerIdentity(process.Name, address, process.Name), _store, process.Clock, Coordinate, ServeRun.FoldOf(_store), Noticed));
        _ = process.Run(RunAsync);
    }

    public SimulatedProcess Process { get; }

    public Uri Address { get; }

    public ServerNode Node { get; }

    public SimulatedStoreLink Link { get; }

    /// <summary>It would act now, by its own reckoning.</summary>
    public bool IsActing => !Process.IsDead && !Process.IsPaused && Node.TryActive() is not null;

    /// <summary>Puts a job's files into the store, as an upload does, and hands the job in.</summary>
    public async Task<JobView> SubmitAsync(SimulatedJob job)
    {
        var desk = Node.Active().Jobs;
        foreach (var source in job.Sources)
            await _tensors.ImportAsync(job.Owner, source.Sha256, source.Content.Length, () => new MemoryStream(source.Content, writable: false), CancellationToken.None);
        return await desk.SubmitAsync(job.Owner, job.Submission, CancellationToken.None);
    }

    private async Task RunAsync()
    {
        try
        {
            await Node.RunAsync(CancellationToken.None);
        }
        catch (Exception cause)
        {
            _cluster.World.Report("servers do not fail", cause.ToString());
        }
    }

    private void Noticed(ServerNotice notice)
    {
        _cluster.World.Trace.Note(_cluster.World.Now, Process.Name, $"{notice.Kind}: {notice.Message}");
        if (notice.Cause is not (null or IOException or UnauthorizedAccessException or OperationCanceledException or TimeoutException))
            _cluster.World.Report("servers do not fail", notice.Cause.ToString());
        // Told once a term, and after every coordinator of it.
        if (Node.TryActive() is { Tenure.Term: var term } && _terms.Add(term))
            _cluster.Witness.TookOver(Process, term);
        _cluster.CheckActive();
    }

    private Watched Coordinate(long term)
    {
        var host = new EmbeddedHost(
            _store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster, Retry = RetryPolicy.Cluster }, Process.Clock, $"{Process.Name}-{++_coordinators}", () => Process.Scheduler);
        return new Watched(host, new WatchedScheduler(_hooks.Scheduler(host.Scheduler, host.OwnerOf, _cluster.JobIds), _cluster.Witness, Process.Clock));
    }

    private sealed class Watched(EmbeddedHost host, ISchedulerGrain scheduler) : ICoordinator
    {
        public ISchedulerGrain Scheduler => scheduler;

        public Task<Exception> Fault => host.Fault;

        public IModelGrain Model(string tenant, string jobId) => host.Model(tenant, jobId);

        public ValueTask DisposeAsync() => host.DisposeAsync();
    }
}
