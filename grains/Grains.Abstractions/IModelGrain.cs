using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions;

/// <summary>One job: from its plan to its end.</summary>
public interface IModelGrain : IUnitOwnerGrain
{
    /// <summary>Starts the job or joins it where it runs already.</summary>
    public Task<JobStarted> StartAsync(JobStart start, CancellationToken cancellationToken);

    /// <summary>Progress from now on; ends with the job.</summary>
    [Interleaves]
    public IAsyncEnumerable<JobProgress> WatchAsync(CancellationToken cancellationToken);

    /// <summary>Where the job is, and which of its units had failures.</summary>
    /// <param name="most">Units to name.</param>
    /// <returns>Null where the job has not been started here.</returns>
    [Interleaves]
    public Task<ModelStanding?> DescribeAsync(int most, CancellationToken cancellationToken);

    /// <summary>Waits for the job's end.</summary>
    [Interleaves]
    public Task<JobResult> ResultAsync(CancellationToken cancellationToken);

    /// <summary>Ends the job. When the call returns nothing more will be committed.</summary>
    /// <param name="resumable">Only this process stops: no end is recorded and the job goes on when it is started again.</param>
    public Task StopAsync(string reason, bool resumable, CancellationToken cancellationToken);

    /// <summary>Ends the job as failed with what is committed: something that no retry cures went wrong beside it. When the call returns there is a result.</summary>
    /// <exception cref="Exception">The fault is in the way of the end as well.</exception>
    public Task FailAsync(string reason, CancellationToken cancellationToken);

    /// <summary>From a layer: units of it are committed.</summary>
    public Task LayerProgressedAsync(LayerProgress progress, CancellationToken cancellationToken);

    /// <summary>From a block: a layer of it is solved or given up.</summary>
    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken);

    /// <summary>From a layer: one of the statistics it was started with is damaged.</summary>
    public Task LayerStarvedAsync(JobPlace place, int layer, BlobRef damaged, CancellationToken cancellationToken);

    /// <summary>From a layer: the store fails.</summary>
    public Task StoreFailedAsync(JobPlace place, string reason, CancellationToken cancellationToken);
}
