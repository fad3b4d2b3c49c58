using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions;

/// <summary>One layer: its units in order, their commits.</summary>
public interface ILayerGrain : IUnitOwnerGrain
{
    /// <summary>Starts the layer, or feeds it repaired statistics where it waits for them.</summary>
    public Task StartAsync(LayerStart start, CancellationToken cancellationToken);

    /// <summary>Makes a damaged result blob again; the layer ends once more.</summary>
    public Task RepairAsync(JobPlace job, BlobRef damaged, CancellationToken cancellationToken);

    /// <summary>When the call returns the layer commits nothing for this run any more, even where the start comes later.</summary>
    public Task StopAsync(JobPlace job, CancellationToken cancellationToken);
}
