using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Simulating.Faults;
using Orchestrator.Cli.Simulating.World;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;

namespace Orchestrator.Cli.Simulating.Cluster;

/// <summary>One process that hosts the grains: the product's own host, grains, machines and retries, over a store that may fail.</summary>
#pragma warning disable CA1001 // The host lives as long as its process, and a simulated process ends by being forgotten.
internal sealed class SimulatedCoordinator
#pragma warning restore CA1001
{
    /// <summary>A user looks again after this while whether a job that failed can go on.</summary>
    private static readonly TimeSpan s_again = TimeSpan.FromSeconds(15);

    private static readonly TimeSpan s_soon = TimeSpan.FromSeconds(1);

    private readonly SimulatedCluster _cluster;
    private readonly EmbeddedHost _host;
    private readonly TensorBlobs _tensors;
    private int _starts;
    private int _starting;

    public SimulatedCoordinator(SimulatedCluster cluster, SimulatedProcess process, SimulationHooks hooks)
    {
        (_cluster, Process) = (cluster, process);
        cluster.Witness.Coordinates(process);
        Link = new SimulatedStoreLink(cluster.World, process, cluster.Truth, cluster.Faults);
        var jitter = new Dice(4, process.Name);
        var store = hooks.Store(new RetryingBlobStore(Link, StoreRetryOptions.Default, process.Clock, jitter.NextDouble));
        _tensors = new TensorBlobs(store);
        _host = new EmbeddedHost(store, EmbeddedHostOptions.Default, process.Clock, process.Name, () => process.Scheduler);
        Scheduler = new WatchedScheduler(hooks.Scheduler(_host.Scheduler, _host.OwnerOf, cluster.JobIds), cluster.Witness, process.Clock);
        process.Run(WatchFaultAsync);
    }

    public SimulatedProcess Process { get; }

    public ISchedulerGrain Scheduler { get; }

    public SimulatedStoreLink Link { get; }

    /// <summary>What a user who wants the job's result does: starts it, and again for as long as it does not succeed.</summary>
    public Task DriveAsync(SimulatedJob job) => Process.Run(async () =>
    {
        try
        {
            while (await AttemptAsync(job) is not { Status: JobStatus.Succeeded })
                await Task.Delay(s_again, Process.Clock);
        }
        catch (Exception cause)
        {
            _cluster.World.Report("whoever starts a job is answered", cause.ToString());
        }
    });

    /// <summary>Stops all jobs; when it returns nothing may be committed any more, unless one was started meanwhile.</summary>
    public Task StopAsync(IEnumerable<SimulatedJob> jobs, bool resumable) => Process.Run(async () =>
    {
        var starts = _starts;
        var isStarting = _starting > 0;
        foreach (var job in jobs)
            await _host.Model(job.Owner, job.Id).StopAsync("asked to", resumable, CancellationToken.None);
        if (!isStarting && starts == _starts)
            _cluster.Witness.Stopped(Process);
    });

    private async Task<JobResult?> AttemptAsync(SimulatedJob job)
    {
        try
        {
            foreach (var source in job.Sources)
                await _tensors.ImportAsync(job.Owner, source.Sha256, source.Content.Length, () => new MemoryStream(source.Content, writable: false), CancellationToken.None);
            var model = _host.Model(job.Owner, job.Id);
            await StartAsync(model, job);
            var watching = WatchAsync(model);
            var result = await model.ResultAsync(CancellationToken.None);
            await watching;
            _cluster.Ended(job, result);
            return result;
        }
        catch (IOException)
        {
            await Task.Delay(s_soon, Process.Clock);
            return null;
        }
    }

    private async Task StartAsync(IModelGrain model, SimulatedJob job)
    {
        _starts++;
        _starting++;
        _cluster.Witness.StartedAgain(Process);
        try
        {
            await model.StartAsync(new JobStart(job.Owner, job.Plan, Fresh: false), CancellationToken.None);
        }
        finally
        {
            _starting--;
        }
    }

    private async Task WatchAsync(IModelGrain model)
    {
        await foreach (var progress in model.WatchAsync(CancellationToken.None))
            _cluster.Witness.Progressed(progress);
    }

    private async Task WatchFaultAsync()
    {
        var fault = await _host.Fault;
        if (fault is IOException)
            // The store stayed away for longer than anyone waits: the process ends, as `orc run` does, and is started again.
            _cluster.CoordinatorDied(this, fault.Message);
        else
            _cluster.World.Report("grains do not fail", fault.ToString());
    }
}

/// <summary>Where a test puts a mistake into a coordinator or a worker, to see it caught.</summary>
internal sealed record SimulationHooks
{
    public static SimulationHooks None { get; } = new();

    public Func<IBlobStore, IBlobStore> Store { get; init; } = store => store;

    /// <summary>Gets the store of a worker.</summary>
    public Func<IBlobStore, IBlobStore> WorkerStore { get; init; } = store => store;

    /// <summary>Gets the store of a server and its clock.</summary>
    public Func<IBlobStore, TimeProvider, IBlobStore> ServerStore { get; init; } = (store, _) => store;

    /// <summary>Gets the scheduler, the way to a unit's owner and the jobs' ids.</summary>
    public Func<ISchedulerGrain, Func<UnitOwner, IUnitOwnerGrain>, IReadOnlyList<string>, ISchedulerGrain> Scheduler { get; init; } = (scheduler, _, _) => scheduler;
}
