using System.Globalization;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>
/// The units of one layer: Hessian, then per step the inverse where one is shared, and rows; a global mask puts a selection between
/// tracing and finishing. Given blobs: the layer's statistics in shard order.
/// </summary>
public sealed class LayerPipeline : IUnitPipeline
{
    private static readonly UnitPlace s_hessian = new(0, 0);

    private readonly PlanSettings _settings;
    private readonly LayerPlan _layer;
    private readonly Stage[] _stages;

    public LayerPipeline(PlanSettings settings, LayerPlan layer)
    {
        _settings = settings;
        _layer = layer;
        _stages = [.. MakeStages(layer)];
        Stages = [.. _stages.Select(s => s.Count)];
    }

    private enum Part
    {
        Hessian,
        Inverse,
        Trace,
        Select,
        Finish,
        Solve,
    }

    public IReadOnlyList<int> Stages { get; }

    public PlannedUnit this[UnitPlace place] => _stages[place.Stage].Part switch
    {
        Part.Hessian => Hessian(),
        Part.Inverse => Inverse(place),
        Part.Select => Select(place),
        _ => Rows(place),
    };

    public double CostOf(UnitPlace place) => IsRows(place) ? RowsCost(place, RangeOf(place)) : this[place].Cost;

    public string IdOf(UnitPlace place) => IsRows(place) ? RowsId(place, RangeOf(place)) : this[place].Id;

    /// <summary>The stage whose units hold the layer's final weights or codes.</summary>
    public int ResultStage => _stages.Length - 1;

    /// <summary>The roles of a result unit that assembly needs: weights, or codes, scales and zeros.</summary>
    public IReadOnlyList<string> ResultRoles => ResultRolesOf(_layer);

    internal static IReadOnlyList<string> ResultRolesOf(LayerPlan layer) =>
        layer.SolvedBits() is null ? [Roles.Weights] : [Roles.Codes, Roles.Scales, Roles.Zeros];

    /// <summary>Blobs of each result role.</summary>
    internal static int ResultRanges(LayerPlan layer) => new RowRanges(layer.SolvedShape(), layer.Steps[^1].RangeRows).Count;

    private static IEnumerable<Stage> MakeStages(LayerPlan layer)
    {
        yield return new Stage(Part.Hessian, 0, 1);
        for (var s = 0; s < layer.Steps.Count; s++)
        {
            var step = layer.Steps[s];
            var ranges = new RowRanges(layer.SolvedShape(), step.RangeRows).Count;
            if (step.NeedsInverse)
                yield return new Stage(Part.Inverse, s, 1);
            if (step.Step.Select is null)
            {
                yield return new Stage(Part.Solve, s, ranges);
                continue;
            }

            yield return new Stage(Part.Trace, s, ranges);
            yield return new Stage(Part.Select, s, 1);
            yield return new Stage(Part.Finish, s, ranges);
        }
    }

    private PlannedUnit Hessian()
    {
        var shards = _settings.CalibrationShards;
        var inputs = new List<PlannedInput> { new(Roles.Model, new FromBlob(_settings.Model)) };
        inputs.AddRange(Enumerable.Range(0, shards.Count).Select(shard => new PlannedInput(Roles.Gram, new FromGiven(shard))));
        return new PlannedUnit(
            $"layer/{_layer.Index}/hessian", UnitKind.Statistics, new HessianSpec(_layer.Ref(), shards.Samples, _settings.BatchNorm), inputs,
            Costs.Hessian(_layer.Shape, shards.Count));
    }

    private PlannedUnit Inverse(UnitPlace place) => new(
        Id(place, "inverse"),
        UnitKind.Statistics,
        new InverseSpec(_layer.Ref(), _layer.Shape.Groups, _layer.Shape.Columns, StepAt(place).Step.Damping),
        [Output(Roles.Hessian, s_hessian)],
        Costs.Inverse(_layer.Shape));

    private PlannedUnit Select(UnitPlace place)
    {
        var step = StepAt(place).Step;
        var losses = new IndexedList<PlannedInput>(Stages[place.Stage - 1], i => Output(Roles.Losses, new UnitPlace(place.Stage - 1, i)));
        return new PlannedUnit(
            Id(place, "select"), UnitKind.Select, new SelectSpec(_layer.SolvedShape(), step.Size ?? 1, step.Sparsity!.Value, step.Select!.Value), losses,
            Costs.Select(_layer.SolvedShape()));
    }

    private PlannedUnit Rows(UnitPlace place)
    {
        var (part, stepIndex, _) = _stages[place.Stage];
        var step = _layer.Steps[stepIndex];
        var range = RangeOf(place);
        var (weights, firstRow) = Weights(stepIndex, range);
        var inputs = new List<PlannedInput>(weights) { Output(Roles.Hessian, s_hessian) };
        if (part == Part.Finish)
        {
            inputs.Add(Output(step.KeepsRows ? Roles.Kept : Roles.Order, place with { Stage = place.Stage - 2 }));
            inputs.Add(Output(Roles.Counts, new UnitPlace(place.Stage - 1, 0)));
        }
        else if (step.NeedsInverse)
        {
            inputs.Add(Output(Roles.Inverse, new UnitPlace(place.Stage - 1, 0)));
        }

        if (stepIndex > 0 && part != Part.Trace)
            inputs.Add(new PlannedInput(Roles.Original, new FromUnit(s_hessian, Roles.Weights)));
        var phase = part switch { Part.Trace => RowsPhase.Trace, Part.Finish => RowsPhase.Finish, _ => RowsPhase.Solve };
        // How much to remove is decided between the two passes; without it in their keys, one trace serves every sparsity.
        var rowsStep = part == Part.Solve ? step.Step : step.Step with { Sparsity = null, Select = null };
        var spec = new RowsSpec(_layer.SolvedShape(), rowsStep, phase, range.First, range.Rows, step.StartsPruned) { WeightsFirstRow = firstRow, KeepsRows = step.KeepsRows ? true : null };
        return new PlannedUnit(RowsId(place, range), UnitKind.Rows, spec, inputs, RowsCost(place, range));
    }

    private string RowsId(UnitPlace place, RowRange range)
    {
        var name = _stages[place.Stage].Part switch { Part.Trace => "trace", Part.Finish => "finish", _ => "rows" };
        return Id(place, string.Create(CultureInfo.InvariantCulture, $"{name}/{range.First}-{range.End - 1}"));
    }

    private double RowsCost(UnitPlace place, RowRange range)
    {
        var step = StepAt(place);
        var unit = step.Step.Size ?? 1;
        var row = _stages[place.Stage].Part switch
        {
            Part.Finish when step.KeepsRows => Costs.PickRow(_layer.Shape),
            Part.Finish => Costs.FinishRow(_layer.Shape, step.Step.Sparsity!.Value),
            Part.Trace when step.KeepsRows => Costs.Row(step.Step, _layer.Shape, step.StartsPruned) + Costs.KeepRow(_layer.Shape, unit),
            _ => Costs.Row(step.Step, _layer.Shape, step.StartsPruned),
        };
        return row * range.Rows;
    }

    private bool IsRows(UnitPlace place) => _stages[place.Stage].Part is Part.Trace or Part.Finish or Part.Solve;

    private RowRange RangeOf(UnitPlace place) => new RowRanges(_layer.SolvedShape(), StepAt(place).RangeRows)[place.Index];

    /// <summary>The weights that a step starts from: the layer's own, or the earlier step's ranges that overlap.</summary>
    private (IEnumerable<PlannedInput> Inputs, int FirstRow) Weights(int stepIndex, RowRange range)
    {
        if (stepIndex == 0)
            return ([Output(Roles.Weights, s_hessian)], 0);
        var earlier = new RowRanges(_layer.SolvedShape(), _layer.Steps[stepIndex - 1].RangeRows);
        var stage = Array.FindLastIndex(_stages, s => s.Step == stepIndex - 1 && s.Part is Part.Finish or Part.Solve);
        var (first, last) = (earlier.IndexOf(range.First), earlier.IndexOf(range.End - 1));
        return (Enumerable.Range(first, last - first + 1).Select(i => Output(Roles.Weights, new UnitPlace(stage, i))), earlier[first].First);
    }

    private StepPlan StepAt(UnitPlace place) => _layer.Steps[_stages[place.Stage].Step];

    private string Id(UnitPlace place, string part) => $"layer/{_layer.Index}/step/{_stages[place.Stage].Step}/{part}";

    private static PlannedInput Output(string role, UnitPlace unit) => new(role, new FromUnit(unit, role));

    private readonly record struct Stage(Part Part, int Step, int Count);
}
