using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Telemetry;
using Orchestrator.Jobs.Outcomes;

namespace Orchestrator.Cli.Serving;

/// <summary>The grains behind a server: of its own, or shared with others.</summary>
internal interface IServedGrains : IAsyncDisposable
{
    /// <summary>The coordinator of a term, for whoever is active then.</summary>
    public ICoordinator Coordinator(long term);

    /// <summary>Completes when this process has to be started anew.</summary>
    public Task<Exception> Fault { get; }
}

/// <summary>The active server has all grains, in its process; they end with its term.</summary>
internal sealed class EmbeddedGrains(IBlobStore store, TimeProvider clock, GrainTelemetry telemetry) : IServedGrains
{
    public Task<Exception> Fault { get; } = new TaskCompletionSource<Exception>().Task;

    public ICoordinator Coordinator(long term) => new EmbeddedHost(store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster, Retry = RetryPolicy.Cluster, Telemetry = telemetry }, clock);

    public ValueTask DisposeAsync() => ValueTask.CompletedTask;
}
