using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Pipelines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Models;

/// <summary>The pipelines that belong to the model itself: the float model's metric, statistics by group, the result.</summary>
internal sealed class ModelRuns
{
    public const string BaselinePart = "baseline";
    public const string ReconstructionPart = "reconstruction";
    public const string ResultPart = "result";

    private readonly JobPlan _plan;
    private readonly PipelineContext _context;
    private readonly Func<string, PipelineReport, Task> _report;
    private readonly Dictionary<string, PipelineRun> _byPart = new(StringComparer.Ordinal);

    /// <param name="report">Gets the part that reports.</param>
    public ModelRuns(JobPlan plan, PipelineContext context, Func<string, PipelineReport, Task> report)
    {
        (_plan, _context, _report) = (plan, context, report);
        Baseline = Add(BaselinePart, new BaselinePipeline(plan.Settings));
        Statistics = [.. plan.StatisticsGroups.Select((_, group) => Add(StatisticsPart(group), new StatisticsPipeline(plan, group)))];
    }

    public PipelineRun Baseline { get; }

    public IReadOnlyList<PipelineRun> Statistics { get; }

    /// <summary>Null before the layers' steps are done, and where the plan reconstructs nothing.</summary>
    public ReconstructionRun? Reconstruction { get; private set; }

    /// <summary>Null before all layers have ended.</summary>
    public PipelineRun? Result { get; private set; }

    public IEnumerable<PipelineRun> All => _byPart.OrderBy(p => p.Key, StringComparer.Ordinal).Select(p => p.Value);

    public static bool IsBaseline(string part) => part == BaselinePart;

    public static bool IsReconstruction(string part) => part == ReconstructionPart;

    public static bool IsResult(string part) => part == ResultPart;

    /// <summary>The group of a statistics part.</summary>
    public static int GroupOf(string part) => int.Parse(part[(part.IndexOf('/') + 1)..]);

    public PipelineRun? Find(string part) => _byPart.GetValueOrDefault(part);

    /// <summary>A new run, since the layers that it starts from may have changed.</summary>
    public PipelineRun StartReconstruction(IReadOnlyList<int> layers)
    {
        var pipeline = new ReconstructionPipeline(_plan, layers);
        Reconstruction = new ReconstructionRun(pipeline, Add(ReconstructionPart, pipeline));
        return Reconstruction.Run;
    }

    /// <summary>Names of the groups that are reconstructed now.</summary>
    public IReadOnlyList<string> GroupsInWork => Reconstruction is { } r ? ReconstructionFold.InWork(r.Pipeline, r.Run.Fold) : [];

    /// <summary>Layers that were reconstructed so far.</summary>
    public IReadOnlyList<int> Reconstructed => Reconstruction is { } r ? ReconstructionFold.Layers(r.Pipeline, r.Run.Fold) : [];

    /// <summary>A new run for the result, since the layers in it may have changed.</summary>
    public PipelineRun StartResult(IReadOnlyList<int> layers) =>
        Result = Add(ResultPart, new ResultPipeline(_plan, layers, Reconstruction is { } r ? ReconstructionFold.StepSizes(r.Pipeline, r.Run.Fold).Count : 0));

    /// <summary>What the result is made from: each layer's blobs, and the grids of activations.</summary>
    /// <param name="solved">Result blobs of a layer whose steps are all that is done to it.</param>
    public IReadOnlyList<BlobRef> ResultsOf(IReadOnlyList<int> layers, Func<int, IReadOnlyList<BlobRef>> solved) =>
        ReconstructionFold.ResultsOf(_plan, Reconstruction is { } r ? (r.Pipeline, r.Run.Fold) : null, layers, solved);

    /// <summary>A layer's statistics in shard order.</summary>
    public IReadOnlyList<BlobRef> StatisticsOf(int layer)
    {
        var role = StatisticsPipeline.GramRole(layer);
        return [.. Statistics[GroupOf(layer)].Fold.InOrder().Select(u => u.Output(role))];
    }

    public int GroupOf(int layer) => Enumerable.Range(0, _plan.StatisticsGroups.Count).First(g => _plan.StatisticsGroups[g].Contains(layer));

    /// <summary>The part of a statistics group.</summary>
    public static string StatisticsPart(int group) => $"statistics/{group}";

    private PipelineRun Add(string part, IUnitPipeline pipeline) =>
        _byPart[part] = new PipelineRun(_context, new UnitOwner(OwnerKind.Model, _context.Host.Key, part), pipeline, report => _report(part, report));
}
