using System.Security.Cryptography;
using System.Text;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Pipelines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Reports;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Grains.Models;

/// <summary>A part of a job as its commits tell: the float model's metric, a statistics group, a layer, the result.</summary>
/// <param name="Name">For example <c>statistics/0</c> or the layer's name.</param>
/// <param name="Layer">Index of the layer; null for other parts.</param>
/// <param name="Units">Units of the plan.</param>
/// <param name="Committed">How many of them are committed, as far as their inputs are.</param>
/// <param name="Seconds">Computation time of the committed ones.</param>
public sealed record StoredPart(string Name, int? Layer, int Units, int Committed, double Seconds);

/// <summary>A job folded from its commits, without a coordinator and without changing anything. What <c>status</c> means.</summary>
public sealed class StoredJob
{
    private static readonly Failure s_unsolved = new("not-solved", "Not all of its units are committed.", Retryable: true);

    private readonly CheckpointStore _checkpoints;
    private readonly JobScope _scope;
    private readonly JobPlan _plan;
    private readonly List<StoredPart> _parts = [];
    private readonly List<PipelineFold> _own = [];
    private readonly List<LayerSummary> _layers = [];
    private PipelineFold? _result;
    private (ReconstructionPipeline Pipeline, PipelineFold Fold)? _reconstruction;

    /// <param name="checkpoints">Over a store that is only looked at, where nothing may change.</param>
    public StoredJob(CheckpointStore checkpoints, JobScope scope, JobPlan plan) => (_checkpoints, _scope, _plan) = (checkpoints, scope, plan);

    /// <summary>In the plan's order.</summary>
    public IReadOnlyList<StoredPart> Parts => _parts;

    public int Units => _parts.Sum(p => p.Units);

    public int Committed => _parts.Sum(p => p.Committed);

    /// <summary>The fold's digest as in the manifest; null while units are missing.</summary>
    public string? Fold { get; private set; }

    /// <summary>The written model; null where there is none.</summary>
    public BlobRef? Model => ModelFold.Model(_result);

    /// <summary>The written model's large weights; null where the model holds them.</summary>
    public BlobRef? ModelData => ModelFold.ModelData(_result);

    /// <summary>What a report is made from. Who computed a unit when is not told by its commit: all count as reused.</summary>
    public JobSummary Summarize() => ModelFold.Summarize(
        _own[0], _result, _result is null ? _own : _own.Append(_result), ReconstructionFold.Merge(_reconstruction?.Pipeline, _reconstruction?.Fold, _layers), new PipelineCounts(0, Committed, 0, 0))
        with { Groups = _reconstruction is var (pipeline, fold) ? ReconstructionFold.Groups(pipeline, fold) : [] };

    /// <param name="unit">Gets every committed unit; may be null.</param>
    public async Task ReadAsync(Action<StoredUnit>? unit, CancellationToken cancellationToken)
    {
        var digests = new SortedDictionary<string, string>(StringComparer.Ordinal);
        var baseline = await FoldAsync(ModelRuns.BaselinePart, null, new BaselinePipeline(_plan.Settings), [], unit, cancellationToken);
        digests[ModelRuns.BaselinePart] = baseline.Digest();
        _own.Add(baseline);
        var given = new Dictionary<int, IReadOnlyList<BlobRef>>();
        for (var group = 0; group < _plan.StatisticsGroups.Count; group++)
        {
            var name = ModelRuns.StatisticsPart(group);
            var statistics = await FoldAsync(name, null, new StatisticsPipeline(_plan, group), [], unit, cancellationToken);
            digests[name] = statistics.Digest();
            _own.Add(statistics);
            if (!IsWhole(_parts[^1]))
                continue;
            foreach (var layer in _plan.StatisticsGroups[group])
                given[layer] = [.. statistics.InOrder().Select(u => u.Output(StatisticsPipeline.GramRole(layer)))];
        }

        await ReadLayersAsync(digests, given, unit, cancellationToken);
    }

    private async Task ReadLayersAsync(
        SortedDictionary<string, string> digests, Dictionary<int, IReadOnlyList<BlobRef>> given, Action<StoredUnit>? unit, CancellationToken cancellationToken)
    {
        var results = new List<IReadOnlyList<BlobRef>>();
        var layers = _plan.Layers.Where(l => l.Steps.Count > 0).ToArray();
        var folds = new List<string>();
        var solved = new List<int>();
        foreach (var layer in layers)
        {
            var pipeline = new LayerPipeline(_plan.Settings, layer);
            var fold = await FoldAsync(layer.Name, layer.Index, pipeline, given.GetValueOrDefault(layer.Index), unit, cancellationToken);
            folds.Add(fold.Digest());
            _layers.Add(LayerFold.Summarize(layer, fold, pipeline.ResultStage, IsWhole(_parts[^1]) ? null : s_unsolved));
            if (!IsWhole(_parts[^1]))
                continue;
            solved.Add(layer.Index);
            results.Add(IndexedList.Concat([.. pipeline.ResultRoles.Select(role => fold.Outputs(pipeline.ResultStage, role))]));
        }

        var isSolved = results.Count == layers.Length;
        if (_plan.Reconstruction is not null)
        {
            await ReadReconstructionAsync(digests, isSolved, solved, results, unit, cancellationToken);
            isSolved &= IsWhole(_parts[^1]);
        }

        var whole = _plan.Layers.Where(l => !l.IsLeftAlone).Select(l => l.Index).ToArray();
        var result = await FoldAsync(
            ModelRuns.ResultPart, null, new ResultPipeline(_plan, whole, _reconstruction?.Pipeline.StepSizes ?? 0), isSolved ? ResultsOf(whole, solved, results) : null, unit, cancellationToken);
        digests[ModelRuns.ResultPart] = result.Digest();
        // A job that failed has the best model that could be made of the layers that were solved.
        _result = isSolved ? result : await PartAsync(solved, results, cancellationToken) ?? result;
        if (_parts.TrueForAll(IsWhole))
            Fold = Convert.ToHexStringLower(SHA256.HashData(Encoding.UTF8.GetBytes(string.Join('\n', digests.Values.Concat(folds)))));
    }

    private async Task ReadReconstructionAsync(
        SortedDictionary<string, string> digests, bool isSolved, List<int> solved, List<IReadOnlyList<BlobRef>> results, Action<StoredUnit>? unit, CancellationToken cancellationToken)
    {
        var pipeline = new ReconstructionPipeline(_plan, [.. _plan.Layers.Where(l => l.Steps.Count > 0).Select(l => l.Index)]);
        var fold = await FoldAsync(ModelRuns.ReconstructionPart, null, pipeline, isSolved ? IndexedList.Concat(results) : null, unit, cancellationToken);
        digests[ModelRuns.ReconstructionPart] = fold.Digest();
        _own.Add(fold);
        if (!isSolved)
        {
            pipeline = new ReconstructionPipeline(_plan, solved);
            fold = pipeline.Groups.Count == 0 ? new PipelineFold(pipeline) : await FindAsync(pipeline, IndexedList.Concat(results), cancellationToken);
        }

        _reconstruction = (pipeline, fold);
    }

    /// <summary>The model of what was solved; null where nothing was.</summary>
    private async Task<PipelineFold?> PartAsync(List<int> solved, List<IReadOnlyList<BlobRef>> results, CancellationToken cancellationToken)
    {
        int[] layers = _reconstruction is var (pipeline, fold)
            ? [.. solved.Where(l => _plan.Layers[l].Reconstruct is null).Concat(ReconstructionFold.Layers(pipeline, fold)).Order()]
            : [.. solved];
        var stepSizes = _reconstruction is { } r ? ReconstructionFold.StepSizes(r.Pipeline, r.Fold).Count : 0;
        return layers.Length == 0 ? null : await FindAsync(new ResultPipeline(_plan, layers, stepSizes), ResultsOf(layers, solved, results), cancellationToken);
    }

    private IReadOnlyList<BlobRef> ResultsOf(IReadOnlyList<int> layers, List<int> solved, List<IReadOnlyList<BlobRef>> results) =>
        ReconstructionFold.ResultsOf(_plan, _reconstruction, layers, l => results[solved.IndexOf(l)]);

    /// <param name="given">Null where what the pipeline is begun with is not committed.</param>
    private async Task<PipelineFold> FoldAsync(
        string name, int? layer, IUnitPipeline pipeline, IReadOnlyList<BlobRef>? given, Action<StoredUnit>? unit, CancellationToken cancellationToken)
    {
        var fold = await FindAsync(pipeline, given, cancellationToken);
        var (committed, seconds) = (0, 0.0);
        foreach (var found in fold.InOrder())
        {
            committed++;
            seconds += found.Metrics.Seconds;
            unit?.Invoke(new StoredUnit(found));
        }

        _parts.Add(new StoredPart(name, layer, pipeline.Stages.Sum(), committed, seconds));
        return fold;
    }

    private async Task<PipelineFold> FindAsync(IUnitPipeline pipeline, IReadOnlyList<BlobRef>? given, CancellationToken cancellationToken)
    {
        var fold = new PipelineFold(pipeline);
        var finder = new UnitFinder(_checkpoints, _scope, _plan.Settings.Profile, pipeline, fold) { Given = given ?? [] };
        var isWhole = given is not null;
        for (var stage = 0; stage < pipeline.Stages.Count && isWhole; stage++)
        {
            for (var index = 0; index < pipeline.Stages[stage]; index++)
                isWhole &= await finder.FindAsync(new UnitPlace(stage, index), cancellationToken) is null;
        }

        return fold;
    }

    private static bool IsWhole(StoredPart part) => part.Committed == part.Units;
}

/// <summary>A committed unit of a job.</summary>
public sealed class StoredUnit
{
    private readonly CommittedUnit _unit;

    internal StoredUnit(CommittedUnit unit) => _unit = unit;

    /// <summary>Its id in the plan.</summary>
    public string Id => _unit.Id;

    public CommitRecord Record => _unit.Record;
}
