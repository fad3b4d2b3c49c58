using System.Runtime.CompilerServices;
using System.Threading.Channels;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Grains.Models;

/// <summary>Counts of a job and those who watch them.</summary>
/// <param name="groups">Names of the groups that are reconstructed now.</param>
internal sealed class ModelProgress(JobPlan plan, Func<IReadOnlyList<string>> groups)
{
    private readonly UnitTotals _totals = PlanUnits.Totals(plan);
    private readonly Dictionary<int, PipelineCounts> _layers = [];
    private readonly List<Channel<JobProgress>> _watchers = [];
    private PipelineCounts _layerCounts;

    public PipelineCounts LayerCounts => _layerCounts;

    public void SetLayer(int layer, PipelineCounts counts)
    {
        var old = _layers.GetValueOrDefault(layer);
        _layers[layer] = counts;
        _layerCounts += new PipelineCounts(counts.Computed - old.Computed, counts.Reused - old.Reused, counts.Cost - old.Cost, counts.ReusedCost - old.ReusedCost);
    }

    public JobProgress Make(ModelState state, PipelineCounts own, IReadOnlyList<JobEvent> events)
    {
        var counts = own + _layerCounts;
        return new JobProgress
        {
            Status = state.Status,
            UnitsTotal = state.HasEnded ? counts.Computed + counts.Reused : Math.Max(_totals.Units, counts.Computed + counts.Reused),
            UnitsDone = counts.Computed + counts.Reused,
            UnitsReused = counts.Reused,
            CostTotal = Math.Max(_totals.Cost, counts.Cost),
            CostDone = counts.Cost,
            CostReused = counts.ReusedCost,
            Phase = state.HasEnded ? "ended" : state.ResultRunning ? "result" : state.ReconstructionRunning ? "reconstruction" : state.RunningLayers.Count > 0 ? "layers" : "statistics",
            Layers = state.ReconstructionRunning ? groups() : [.. state.RunningLayers.Select(l => plan.Layers[l].Name)],
            Events = events,
        };
    }

    public void Tell(JobProgress progress)
    {
        foreach (var watcher in _watchers)
            watcher.Writer.TryWrite(progress);
    }

    public void End()
    {
        foreach (var watcher in _watchers)
            watcher.Writer.TryComplete();
    }

    /// <param name="now">The first message: where the job is.</param>
    public async IAsyncEnumerable<JobProgress> WatchAsync(JobProgress now, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var channel = Channel.CreateUnbounded<JobProgress>(new UnboundedChannelOptions { SingleReader = true });
        channel.Writer.TryWrite(now);
        if (now.Phase == "ended")
            channel.Writer.TryComplete();
        _watchers.Add(channel);
        try
        {
            // Not ReadAllAsync, which would leave the grain's scheduler.
            while (await channel.Reader.WaitToReadAsync(cancellationToken))
            {
                while (channel.Reader.TryRead(out var progress))
                    yield return progress;
            }
        }
        finally
        {
            _watchers.Remove(channel);
        }
    }
}
