using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains;

/// <summary>A block: starts, repairs and stops its layers, and passes their ends on.</summary>
public sealed class BlockGrain(IGrainHost host) : IBlockGrain
{
    private readonly Dictionary<int, LayerStart> _starts = [];
    private readonly Dictionary<int, BlobRef> _damaged = [];
    private readonly Dictionary<int, LayerEnd> _ends = [];
    private BlockState _state = new();
    private JobPlace? _job;

    public Task StartLayerAsync(LayerStart start, CancellationToken cancellationToken)
    {
        Join(start.Job);
        _starts[start.Layer.Index] = start;
        return FeedAsync(new BlockEvent.LayerStarted(start.Layer.Index), cancellationToken);
    }

    public Task RepairLayerAsync(JobPlace job, int layer, BlobRef damaged, CancellationToken cancellationToken)
    {
        if (job != _job)
            return Task.CompletedTask;
        _damaged[layer] = damaged;
        return FeedAsync(new BlockEvent.LayerDamaged(layer), cancellationToken);
    }

    public Task StopAsync(JobPlace job, CancellationToken cancellationToken)
    {
        Join(job);
        return FeedAsync(new BlockEvent.Stopped(), cancellationToken);
    }

    public Task LayerEndedAsync(LayerEnd ended, CancellationToken cancellationToken)
    {
        if (ended.Job != _job)
            return Task.CompletedTask;
        _ends[ended.Layer] = ended;
        return FeedAsync(new BlockEvent.LayerEnded(ended.Layer), cancellationToken);
    }

    private void Join(JobPlace job)
    {
        if (job == _job)
            return;
        _job = job;
        _state = new BlockState();
        _starts.Clear();
    }

    private async Task FeedAsync(BlockEvent happened, CancellationToken cancellationToken)
    {
        var step = BlockMachine.Step(_state, happened);
        _state = step.State;
        foreach (var effect in step.Effects)
        {
            switch (effect)
            {
                case BlockEffect.StartLayer e:
                    // Posted: a layer that is committed already folds its units in its own turn, not in ours.
                    var start = _starts[e.Layer];
                    host.Post(() => Layer(e.Layer).StartAsync(start, host.Stopping));
                    break;
                case BlockEffect.RepairLayer e:
                    var damaged = _damaged[e.Layer];
                    host.Post(() => Layer(e.Layer).RepairAsync(_job!, damaged, host.Stopping));
                    break;
                case BlockEffect.ReportLayer e:
                    var ended = _ends[e.Layer];
                    host.Post(() => host.Peer<IModelGrain>(GrainKeys.Model(_job!.Tenant, _job.JobId)).LayerEndedAsync(ended, host.Stopping));
                    break;
                case BlockEffect.StopLayers:
                    await Task.WhenAll(_starts.Keys.Select(layer => Layer(layer).StopAsync(_job!, cancellationToken)));
                    break;
            }
        }
    }

    private ILayerGrain Layer(int layer) => host.Peer<ILayerGrain>(GrainKeys.Layer(_job!.Tenant, _job.JobId, layer));
}
