using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs;
using Orchestrator.Silo;

namespace Orchestrator.Cli.Serving;

/// <summary>All servers have the grains, as silos of one Orleans cluster. They stay when another server becomes the active one.</summary>
internal sealed class SiloGrains : IServedGrains
{
    private readonly SiloCoordinator _silo;

    private SiloGrains(SiloCoordinator silo) => _silo = silo;

    /// <inheritdoc/>
    public Task<Exception> Fault => _silo.Fault;

    /// <summary>Finds out what is wrong with the options before anything is made.</summary>
    /// <exception cref="InputException">There is no such file, or nothing is in it.</exception>
    public static void Check(ClusterOptions cluster)
    {
        if (cluster.DatabaseFile is { } file)
            SiloOptions.ReadDatabase(file);
    }

    /// <summary>Joins the cluster.</summary>
    /// <param name="telemetry">What the silo itself warns of goes to its logs, too.</param>
    public static async Task<IServedGrains> StartAsync(IBlobStore store, ClusterOptions cluster, TimeProvider clock, GrainTelemetry telemetry, CancellationToken cancellationToken)
    {
        var options = SiloOptions.Default with
        {
            Tenant = BlobNames.Cluster,
            Telemetry = telemetry,
            Address = cluster.Silo,
            Primary = cluster.First,
            Database = cluster.DatabaseFile is { } file ? SiloOptions.ReadDatabase(file) : null,
        };
        return new SiloGrains(await SiloCoordinator.StartAsync(store, options, clock, telemetry.Logs, cancellationToken));
    }

    public ICoordinator Coordinator(long term) => new Shared(_silo);

    public ValueTask DisposeAsync() => _silo.DisposeAsync();

    /// <summary>The silo for one term; the grains outlive it.</summary>
    private sealed class Shared(SiloCoordinator silo) : ICoordinator
    {
        public ISchedulerGrain Scheduler => silo.Scheduler;

        // The process ends on it, not the term.
        public Task<Exception> Fault { get; } = new TaskCompletionSource<Exception>().Task;

        public IModelGrain Model(string tenant, string jobId) => silo.Model(tenant, jobId);

        public ValueTask DisposeAsync() => ValueTask.CompletedTask;
    }
}
