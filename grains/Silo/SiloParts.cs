using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orleans;

namespace Orchestrator.Silo;

/// <summary>What all grains of a silo share.</summary>
/// <param name="identity">Unlike that of any other process on the store.</param>
internal sealed class SiloParts(IGrainFactory grains, IBlobStore store, SiloOptions options, TimeProvider clock, SiloFaults faults, string identity)
{
    public IGrainFactory Grains => grains;

    public SiloOptions Options => options;

    public TimeProvider Clock => clock;

    public SiloFaults Faults => faults;

    public CheckpointStore Checkpoints { get; } = new(store);

    public GrainStateStore States { get; } = new(store, identity);

    public ISiloSchedulerGrain Scheduler => grains.GetGrain<ISiloSchedulerGrain>(GrainKeys.Scheduler);

    /// <summary>A reference to a grain by its plain interface.</summary>
    public TGrain Peer<TGrain>(string key)
        where TGrain : class
    {
        IGrainWithStringKey peer = typeof(TGrain) switch
        {
            var t when t == typeof(IModelGrain) => grains.GetGrain<ISiloModelGrain>(key),
            var t when t == typeof(IBlockGrain) => grains.GetGrain<ISiloBlockGrain>(key),
            var t when t == typeof(ILayerGrain) => grains.GetGrain<ISiloLayerGrain>(key),
            var t when t == typeof(ISchedulerGrain) => grains.GetGrain<ISiloSchedulerGrain>(key),
            _ => throw new ArgumentOutOfRangeException(nameof(key), typeof(TGrain).Name, "no such grain"),
        };
        return (TGrain)peer;
    }
}
