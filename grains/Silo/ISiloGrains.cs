using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orleans;

namespace Orchestrator.Silo;

/// <summary>A model grain as Orleans knows it.</summary>
internal interface ISiloModelGrain : IModelGrain, IGrainWithStringKey;

/// <summary>A grain whose memory belongs to one start of a job, and may be lost with its activation.</summary>
internal interface IStartedGrain
{
    /// <summary>Which start of the job the activation has last heard of; null where it has heard of none, or lost it.</summary>
    [Interleaves]
    public Task<JobPlace?> PlaceAsync(CancellationToken cancellationToken);
}

/// <summary>A block grain as Orleans knows it.</summary>
internal interface ISiloBlockGrain : IBlockGrain, IStartedGrain, IGrainWithStringKey;

/// <summary>A layer grain as Orleans knows it.</summary>
internal interface ISiloLayerGrain : ILayerGrain, IStartedGrain, IGrainWithStringKey;

/// <summary>The scheduler grain as Orleans knows it.</summary>
internal interface ISiloSchedulerGrain : ISchedulerGrain, IGrainWithStringKey
{
    /// <summary>Which activation answers: one that is new holds no offers.</summary>
    [Interleaves]
    public Task<string> ActivationAsync(CancellationToken cancellationToken);
}
