namespace Orchestrator.Grains.Abstractions;

/// <summary>The grains, as whoever hosts them gives them to those outside. Disposing it ends them; what is committed stays.</summary>
public interface ICoordinator : IAsyncDisposable
{
    public ISchedulerGrain Scheduler { get; }

    public IModelGrain Model(string tenant, string jobId);

    /// <summary>Completes when a message between grains failed: jobs may not end by themselves any more, and the coordinator has to be made anew.</summary>
    public Task<Exception> Fault { get; }
}
