using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Abstractions;

/// <summary>A block: the layers that are reconstructed together.</summary>
public interface IBlockGrain
{
    /// <summary>Starts a layer, or feeds it repaired statistics.</summary>
    public Task StartLayerAsync(LayerStart start, CancellationToken cancellationToken);

    /// <summary>Has a layer make a damaged result blob again.</summary>
    public Task RepairLayerAsync(JobPlace job, int layer, BlobRef damaged, CancellationToken cancellationToken);

    /// <summary>When the call returns no layer of the block commits any more.</summary>
    public Task StopAsync(JobPlace job, CancellationToken cancellationToken);

    /// <summary>From a layer: it is solved or given up.</summary>
    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken);
}
