using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.DependencyInjection.Extensions;
using Microsoft.Extensions.Hosting;
using Microsoft.Extensions.Logging;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orleans.Hosting;
using Orleans.Runtime;

namespace Orchestrator.Silo;

/// <summary>A silo in this process, and the grains of the whole cluster through it.</summary>
public sealed class SiloCoordinator : ICoordinator
{
    private readonly IHost _host;
    private readonly SiloParts _parts;
    private readonly SiloEnd _end;

    /// <param name="host">Runs; has what <see cref="SiloHosting.AddOrchestrator"/> adds.</param>
    internal SiloCoordinator(IHost host) =>
        (_host, _parts, _end) = (host, host.Services.GetRequiredService<SiloParts>(), host.Services.GetRequiredService<SiloEnd>());

    /// <inheritdoc/>
    public Task<Exception> Fault => _end.Fault;

    public ISchedulerGrain Scheduler => _parts.Scheduler;

    internal IHost Host => _host;

    /// <summary>Starts a silo and joins the cluster.</summary>
    /// <param name="logs">Gets what the silo has to say; what it says of connections may name addresses, never the database's password.</param>
    /// <exception cref="Jobs.InputException">The options contradict each other, or the cluster cannot be joined.</exception>
    public static async Task<SiloCoordinator> StartAsync(IBlobStore store, SiloOptions options, TimeProvider clock, ILoggerFactory logs, CancellationToken cancellationToken)
    {
        if (options.Database is { } connection)
            await OrleansDatabase.PrepareAsync(connection, cancellationToken);
        var builder = Microsoft.Extensions.Hosting.Host.CreateEmptyApplicationBuilder(new HostApplicationBuilderSettings { DisableDefaults = true });
        builder.Services.Replace(ServiceDescriptor.Singleton(logs));
        builder.Services.AddSingleton<IHostLifetime, CallersLifetime>();
        builder.UseOrleans(silo =>
        {
            silo.AddOrchestrator(store, options, clock, Guid.NewGuid().ToString("N")).UseCluster(options);
            silo.Services.Replace(ServiceDescriptor.Singleton<IFatalErrorHandler, SiloDeath>());
        });
        var host = builder.Build();
        try
        {
            await host.StartAsync(cancellationToken);
            return new SiloCoordinator(host);
        }
        catch
        {
            host.Dispose();
            throw;
        }
    }

    public IModelGrain Model(string tenant, string jobId) =>
        new SiloModel(_parts.Peer<IModelGrain>(GrainKeys.Model(tenant, jobId)), _parts.Options, _parts.Clock);

    /// <summary>Leaves the cluster; the jobs go on with the other silos, or with the next one.</summary>
    public async ValueTask DisposeAsync()
    {
        await _host.StopAsync(CancellationToken.None);
        if (_host is IAsyncDisposable host)
            await host.DisposeAsync();
    }

    /// <summary>The process is its caller's, and so are its signals.</summary>
    private sealed class CallersLifetime : IHostLifetime
    {
        public Task WaitForStartAsync(CancellationToken cancellationToken) => Task.CompletedTask;

        public Task StopAsync(CancellationToken cancellationToken) => Task.CompletedTask;
    }

    /// <summary>A silo that the others have declared dead has to be made anew; Orleans' own handler would end the process.</summary>
    private sealed class SiloDeath(SiloEnd end) : IFatalErrorHandler
    {
        public bool IsUnexpected(Exception exception) => true;

        public void OnFatalException(object? sender = null, string? context = null, Exception? exception = null) =>
            end.Told(new InvalidOperationException($"The silo has to end: {context}", exception));
    }
}
