using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
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
    /// <param name="say">Gets a kind and what a person who runs the server wants to know.</param>
    public static async Task<IServedGrains> StartAsync(IBlobStore store, ClusterOptions cluster, TimeProvider clock, Action<string, string> say, CancellationToken cancellationToken)
    {
        var options = SiloOptions.Default with
        {
            Tenant = BlobNames.Cluster,
            Address = cluster.Silo,
            Primary = cluster.First,
            Database = cluster.DatabaseFile is { } file ? SiloOptions.ReadDatabase(file) : null,
        };
        var silo = await SiloCoordinator.StartAsync(store, options, clock, new SiloLogs(say), cancellationToken);
        say("silo", $"on {cluster.Silo}, found by {(cluster.DatabaseFile is null ? "the first silo" : "the database")}");
        return new SiloGrains(silo);
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

    /// <summary>What a silo warns of, on the server's own lines.</summary>
    private sealed class SiloLogs(Action<string, string> say) : ILoggerFactory, ILogger
    {
        public ILogger CreateLogger(string categoryName) => this;

        public bool IsEnabled(LogLevel logLevel) => logLevel >= LogLevel.Error;

        public void Log<TState>(LogLevel logLevel, EventId eventId, TState state, Exception? exception, Func<TState, Exception?, string> formatter)
        {
            if (IsEnabled(logLevel))
                say("silo", exception is null ? formatter(state, null) : $"{formatter(state, exception)} ({exception.GetType().Name}: {exception.Message})");
        }

        public IDisposable? BeginScope<TState>(TState state)
            where TState : notnull => null;

        public void AddProvider(ILoggerProvider provider)
        {
        }

        public void Dispose()
        {
        }
    }
}
