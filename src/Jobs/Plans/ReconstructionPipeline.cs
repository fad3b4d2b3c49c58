using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>
/// Captures and reconstructions: group after group where each is fed by the quantized ones before it, all groups at once where the float
/// model feeds them. Given blobs: per included layer with steps, in plan order, the blobs of each result role in row order.
/// </summary>
public sealed class ReconstructionPipeline : IUnitPipeline
{
    /// <summary>Operations of a step beside those of a forward pass: gradients with respect to inputs and weights cost one each.</summary>
    private const int PassesOfStep = 3;

    /// <summary>Samples that grids of activations are found on (algorithms.md 3.5), in whole batches since a model may take no others.</summary>
    private const int SamplesOfInitial = 64;

    private readonly JobPlan _plan;
    private readonly ReconstructionPlan _reconstruction;
    private readonly GroupPlan[] _groups;
    private readonly int[] _all;
    private readonly int[] _stepped;
    private readonly Stage[] _stages;
    private readonly Dictionary<int, int> _given = [];
    private readonly int[] _before;

    /// <param name="layers">Indices of the layers with steps that have a result. Others are left as they were, and no group holds them.</param>
    public ReconstructionPipeline(JobPlan plan, IReadOnlyCollection<int> layers)
    {
        _plan = plan;
        _reconstruction = plan.Reconstruction ?? throw new ArgumentException("The plan reconstructs nothing.", nameof(plan));
        var next = 0;
        foreach (var layer in layers.Order())
        {
            _given[layer] = next;
            next += LayerPipeline.ResultRolesOf(plan.Layers[layer]).Count * LayerPipeline.ResultRanges(plan.Layers[layer]);
        }

        _groups = [.. _reconstruction.Groups
            .Select(g => g with { Layers = [.. g.Layers.Where(l => plan.Layers[l].Steps.Count == 0 || _given.ContainsKey(l))] })
            .Where(g => g.Layers.Count > 0)];
        _all = [.. Enumerable.Range(0, _groups.Length)];
        _stepped = [.. _all.Where(g => _groups[g].LeavesFloat != true)];
        _before = [.. _given.Keys.Where(l => plan.Layers[l].Reconstruct is null)];
        _stages = [.. MakeStages()];
        Stages = [.. _stages.Select(s => s.Count)];
    }

    private enum Part
    {
        StepSizes,
        Capture,
        Reconstruct,
    }

    public IReadOnlyList<int> Stages { get; }

    /// <summary>Layers that come out of it, in plan order.</summary>
    public IReadOnlyList<int> Layers => [.. _groups.SelectMany(g => g.Layers).Order()];

    public IReadOnlyList<GroupPlan> Groups => _groups;

    /// <summary>Whether groups follow each other.</summary>
    public bool IsChained => _reconstruction.Inputs == ReconstructionInputs.Quantized;

    /// <summary>Blobs with grids of activations that come out of it: the initial ones, and each group's.</summary>
    public int StepSizes => _reconstruction.Activations is null ? 0 : 1 + GroupsOf(_reconstruction.Phases[^1]).Length;

    public PlannedUnit this[UnitPlace place]
    {
        get
        {
            var stage = _stages[place.Stage];
            if (stage.Part == Part.StepSizes)
                return InitialStepSizes(stage);
            if (stage.Part == Part.Reconstruct)
                return Reconstruct(stage, GroupAt(stage, place.Index));
            var shards = _plan.Settings.CalibrationShards.Count;
            return Capture(stage, stage.Group + place.Index / shards, place.Index % shards);
        }
    }

    /// <summary>The unit that tunes a group's weights.</summary>
    public UnitPlace WeightsOf(int group) => PlaceOf(group, Part.Reconstruct, _reconstruction.Phases[0]);

    /// <summary>The unit that finds the grids that step sizes are tuned from; null where activations are float.</summary>
    public UnitPlace? Initial => Array.FindIndex(_stages, s => s.Part == Part.StepSizes) is >= 0 and var stage ? new UnitPlace(stage, 0) : null;

    /// <summary>The unit that tunes a group's activations; null where they are float.</summary>
    public UnitPlace? StepSizesOf(int group) =>
        _reconstruction.Activations is null || !GroupsOf(_reconstruction.Phases[^1]).Contains(group) ? null : PlaceOf(group, Part.Reconstruct, _reconstruction.Phases[^1]);

    /// <summary>The group of a layer among <see cref="Groups"/>; null where none holds it.</summary>
    public int? GroupOf(int layer) => Array.FindIndex(_groups, g => g.Layers.Contains(layer)) is >= 0 and var group ? group : null;

    public double CostOf(UnitPlace place) => _stages[place.Stage] is { Part: Part.Reconstruct } stage
        ? ReconstructCost(stage.Phase, GroupAt(stage, place.Index))
        : this[place].Cost;

    public IEnumerable<UnitPlace> SpentAfter(UnitPlace place)
    {
        var stage = _stages[place.Stage];
        if (stage.Part != Part.Reconstruct)
            return [];
        var group = GroupAt(stage, place.Index);
        // Where the float model feeds them, one capture serves all phases.
        var isLast = IsChained || stage.Phase == _reconstruction.Phases.Last(phase => GroupsOf(phase).Contains(group));
        return isLast ? CapturesOf(stage, group) : [];
    }

    private IEnumerable<Stage> MakeStages()
    {
        var shards = _plan.Settings.CalibrationShards.Count;
        if (_reconstruction.Inputs == ReconstructionInputs.Unquantized)
            yield return new Stage(Part.Capture, _reconstruction.Phases[0], 0, shards * _groups.Length);
        foreach (var phase in _reconstruction.Phases)
        {
            if (phase != ReconstructionPhase.Weights)
                yield return new Stage(Part.StepSizes, phase, 0, 1);
            if (_reconstruction.Inputs == ReconstructionInputs.Unquantized)
            {
                yield return new Stage(Part.Reconstruct, phase, 0, GroupsOf(phase).Length);
                continue;
            }

            foreach (var group in GroupsOf(phase))
            {
                yield return new Stage(Part.Capture, phase, group, shards);
                yield return new Stage(Part.Reconstruct, phase, group, 1);
            }
        }
    }

    private PlannedUnit InitialStepSizes(Stage stage)
    {
        var settings = _plan.Settings;
        // Rounded weights where there are any; where both are tuned together, the ones that the rounding begins from.
        var prefix = stage.Phase == ReconstructionPhase.Joint ? _given.Keys.Order().ToList() : Prefix(_groups.Length);
        var batch = settings.CalibrationShards.Batch;
        var samples = Math.Min(settings.CalibrationShards.Samples, Math.Max(SamplesOfInitial / batch, 1) * batch);
        var spec = new StepSizesSpec(
            [.. prefix.Select(l => _plan.Layers[l].Ref())], _reconstruction.Activations!, samples, batch, settings.BatchNorm, settings.Preprocess);
        List<PlannedInput> inputs = [new(Roles.Model, new FromBlob(settings.Model)), new(Roles.Data, new FromBlob(settings.Calibration))];
        foreach (var layer in prefix)
            inputs.AddRange(stage.Phase == ReconstructionPhase.Joint ? Given(layer) : WeightsOfLayer(layer));
        // A run up to each of the activations, and the search over what comes out.
        var cost = Costs.Forward(settings.Macs, samples) * Math.Max(1, _plan.Layers.Count / 2.0);
        return new PlannedUnit($"reconstruct/{PhaseName(stage.Phase)}/step-sizes", UnitKind.Statistics, spec, inputs, cost);
    }

    private PlannedUnit Capture(Stage stage, int group, int shard)
    {
        var settings = _plan.Settings;
        var range = settings.CalibrationShards[shard];
        var isFloat = _reconstruction.Inputs == ReconstructionInputs.Unquantized;
        var prefix = isFloat ? [] : Prefix(group);
        UnitPlace[] tuned = isFloat || stage.Phase == ReconstructionPhase.Weights
            ? []
            : [Initial!.Value, .. GroupsOf(stage.Phase).Where(g => g < group).Select(g => PlaceOf(g, Part.Reconstruct, stage.Phase))];
        var parameters = _reconstruction.Parameters;
        var (hasGradients, isTuned) = (parameters.Loss != ReconstructionLoss.Mse, !isFloat && stage.Phase == ReconstructionPhase.Activations);
        var spec = new CaptureSpec(
            isTuned && hasGradients ? AsGiven(SpecOf(group)) : SpecOf(group), [.. prefix.Select(l => _plan.Layers[l].Ref())], range.First, range.Count, settings.CalibrationShards.Batch,
            parameters.Loss, settings.BatchNorm, settings.Preprocess)
        {
            Grid = hasGradients && !isTuned ? parameters.Grid : null,
            Scheme = hasGradients && !isTuned ? parameters.Scheme : null,
            Activations = isFloat || stage.Phase == ReconstructionPhase.Weights ? null : _reconstruction.Activations,
            Steps = tuned.Length == 0 ? null : tuned.Length,
            Floats = !isFloat && parameters.Drop is not null ? true : null,
        };
        List<PlannedInput> inputs = [new(Roles.Model, new FromBlob(settings.Model)), new(Roles.Data, new FromBlob(settings.Calibration))];
        foreach (var layer in prefix)
            inputs.AddRange(WeightsOfLayer(layer));
        foreach (var layer in _groups[group].Layers.Where(l => hasGradients && (isTuned || IsGiven(l))))
            inputs.AddRange(isTuned ? [Tuned(layer)] : Given(layer));
        inputs.AddRange(tuned.Select(StepSizesFrom));
        // The float model once, the quantized one up to the group; for gradients all of it, and back to the group.
        var share = PlanUnits.ForwardShare(_plan, _groups[group].Layers);
        var cost = Costs.Forward(settings.Macs, range.Count) * (1 + share + (hasGradients ? 2 - share : 0));
        return new PlannedUnit($"reconstruct/{PhaseName(stage.Phase)}/{group}/capture/{shard}", UnitKind.Statistics, spec, inputs, cost);
    }

    private PlannedUnit Reconstruct(Stage stage, int group)
    {
        var settings = _plan.Settings;
        List<PlannedInput> inputs = [new(Roles.Model, new FromBlob(settings.Model)), new(Roles.Data, new FromBlob(settings.Calibration))];
        inputs.AddRange(CapturesOf(stage, group).Select(capture => new PlannedInput(Roles.Activations, new FromUnit(capture, Roles.Activations))));
        var layers = _groups[group].Layers;
        foreach (var layer in layers.Where(l => stage.Phase == ReconstructionPhase.Activations || IsGiven(l)))
            inputs.AddRange(stage.Phase == ReconstructionPhase.Activations ? [Tuned(layer)] : Given(layer));
        if (stage.Phase != ReconstructionPhase.Weights)
            inputs.Add(StepSizesFrom(Initial!.Value));
        var spec = new ReconstructSpec(
            stage.Phase == ReconstructionPhase.Activations ? AsGiven(SpecOf(group)) : SpecOf(group), stage.Phase, _reconstruction.ParametersOf(stage.Phase),
            settings.CalibrationShards.Samples, settings.CalibrationShards.Batch, settings.BatchNorm, settings.Preprocess)
        {
            Activations = stage.Phase == ReconstructionPhase.Weights ? null : _reconstruction.Activations,
        };
        return new PlannedUnit($"reconstruct/{PhaseName(stage.Phase)}/{group}", UnitKind.Reconstruct, spec, inputs, ReconstructCost(stage.Phase, group));
    }

    /// <summary>The units whose activations a group is tuned on in a stage, shard by shard.</summary>
    private IEnumerable<UnitPlace> CapturesOf(Stage stage, int group)
    {
        var first = PlaceOf(group, Part.Capture, IsChained ? stage.Phase : _reconstruction.Phases[0]);
        return Enumerable.Range(0, _plan.Settings.CalibrationShards.Count).Select(shard => first with { Index = first.Index + shard });
    }

    private double ReconstructCost(ReconstructionPhase phase, int group)
    {
        var parameters = _reconstruction.ParametersOf(phase);
        var macs = _groups[group].Layers.Select(l => _plan.Layers[l]).Sum(l => (double)l.Positions * l.Shape.Rows * l.Shape.Columns);
        return PassesOfStep * 2.0 * macs * parameters.Batch * parameters.Iterations;
    }

    private static PlannedInput StepSizesFrom(UnitPlace place) => new(Roles.StepSizes, new FromUnit(place, Roles.StepSizes));

    /// <summary>Layers before a group, which are quantized when its turn comes; all of them behind the last.</summary>
    private List<int> Prefix(int group) =>
        [.. _before.Where(l => group == _groups.Length || l < _groups[group].Layers[0]).Concat(_groups.Take(group).SelectMany(g => g.Layers)).Order()];

    private IEnumerable<PlannedInput> WeightsOfLayer(int layer) => GroupOf(layer) is null ? Given(layer) : [Tuned(layer)];

    private IEnumerable<PlannedInput> Given(int layer)
    {
        var (first, ranges) = (_given[layer], LayerPipeline.ResultRanges(_plan.Layers[layer]));
        return LayerPipeline.ResultRolesOf(_plan.Layers[layer]).SelectMany((role, place) =>
            Enumerable.Range(first + place * ranges, ranges).Select(position => new PlannedInput($"{role}/{layer}", new FromGiven(position))));
    }

    private PlannedInput Tuned(int layer) => new(WeightsRole(layer), new FromUnit(WeightsOf(GroupOf(layer)!.Value), WeightsRole(layer)));

    private GroupSpec SpecOf(int group)
    {
        var plan = _groups[group];
        return new GroupSpec(plan.Name, [.. plan.Layers.Select(l => _plan.Layers[l]).Select(l => new GroupLayer(l.Ref(), l.Reconstruct!.Bits, l.Reconstruct.StartsPruned, IsGiven(l.Index)))]);
    }

    private static GroupSpec AsGiven(GroupSpec group) => group with { Layers = [.. group.Layers.Select(l => l with { IsGiven = true })] };

    private bool IsGiven(int layer) => _given.ContainsKey(layer);

    /// <summary>The groups that have something to tune in a phase.</summary>
    private int[] GroupsOf(ReconstructionPhase phase) => phase == ReconstructionPhase.Activations ? _stepped : _all;

    /// <summary>The group that a unit of a stage tunes.</summary>
    private int GroupAt(Stage stage, int index) => IsChained ? stage.Group : GroupsOf(stage.Phase)[index];

    private UnitPlace PlaceOf(int group, Part part, ReconstructionPhase phase)
    {
        if (part == Part.Reconstruct && !IsChained)
            return new UnitPlace(Array.FindIndex(_stages, s => s.Part == part && s.Phase == phase), Array.IndexOf(GroupsOf(phase), group));
        var stage = Array.FindLastIndex(_stages, s => s.Part == part && s.Phase == phase && s.Group <= group);
        return new UnitPlace(stage, part == Part.Capture ? (group - _stages[stage].Group) * _plan.Settings.CalibrationShards.Count : 0);
    }

    private static string PhaseName(ReconstructionPhase phase) => phase.ToString().ToLowerInvariant();

    private static string WeightsRole(int layer) => $"{Roles.Weights}/{layer}";

    /// <param name="Group">The first of its groups.</param>
    private readonly record struct Stage(Part Part, ReconstructionPhase Phase, int Group, int Count);
}
