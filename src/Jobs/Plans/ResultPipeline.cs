using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>
/// Writing the model, then its metric and its comparison with the float model, then one latency after the other. Corrections come before:
/// on a draft, level by level, each level measured with the ones before it applied. Given blobs: per included layer, in order, the
/// blobs of each result role in row order; then the step sizes of each group whose activations are quantized.
/// </summary>
public sealed class ResultPipeline : IUnitPipeline
{
    /// <summary>Ids of the units that evaluate the written model start with this.</summary>
    public const string EvaluationPrefix = "evaluate/compressed/";

    public const string FloatLatency = "latency/float";
    public const string CompressedLatency = "latency/compressed";

    /// <summary>The unit that writes the model.</summary>
    public const string Assembly = "assemble";

    /// <summary>The unit that writes the model without its corrections; only where there are any.</summary>
    public const string Draft = "draft";

    private const int CompareSamples = 64;

    private readonly JobPlan _plan;
    private readonly LayerPlan[] _layers;
    private readonly Stage[] _stages;
    private readonly int _stepSizes;

    /// <param name="layers">Indices of the layers that have a result; a layer that failed is left as it was.</param>
    /// <param name="stepSizes">Groups whose activations are quantized.</param>
    public ResultPipeline(JobPlan plan, IReadOnlyList<int> layers, int stepSizes = 0)
    {
        _plan = plan;
        _stepSizes = stepSizes;
        _layers = [.. layers.Select(index => plan.Layers[index])];
        _stages = [.. MakeStages(plan)];
        Stages = [.. _stages.Select(s => s.Count)];
    }

    private enum Part
    {
        Draft,
        Reference,
        Moments,
        Correct,
        Assemble,
        Check,
        FloatLatency,
        CompressedLatency,
    }

    public IReadOnlyList<int> Stages { get; }

    public PlannedUnit this[UnitPlace place] => _stages[place.Stage].Part switch
    {
        Part.Draft => Assemble(Draft, [], null),
        Part.Reference => Moments(place, [new PlannedInput(Roles.Model, new FromBlob(_plan.Settings.Model))], []),
        Part.Moments => Moments(place, DraftInputs, Applied(place.Stage)),
        Part.Correct => Correct(place),
        Part.Assemble => Assemble(Assembly, Applied(place.Stage), _plan.FoldsAfter ? true : null),
        Part.Check when place.Index < Stages[place.Stage] - 1 =>
            Evaluation.Shard(_plan.Settings, $"{EvaluationPrefix}{place.Index}", Written, _plan.Settings.EvaluationShards![place.Index]),
        Part.Check => Compare(),
        Part.FloatLatency => Evaluation.Latency(_plan.Settings, FloatLatency, new FromBlob(_plan.Settings.Model)),
        _ => Evaluation.Latency(_plan.Settings, CompressedLatency, Written),
    };

    public double CostOf(UnitPlace place) => _stages[place.Stage].Part is Part.Draft or Part.Assemble ? AssemblyCost : this[place].Cost;

    /// <summary>Every weight is read, decoded and written.</summary>
    private double AssemblyCost => _plan.Settings.Parameters * 4.0;

    private FromUnit Written => new(new UnitPlace(Array.FindIndex(_stages, s => s.Part == Part.Assemble), 0), Roles.Model);

    /// <summary>The draft, and its large weights where they lie outside it.</summary>
    private IReadOnlyList<PlannedInput> DraftInputs => _plan.Settings.ModelTensors is null
        ? [new(Roles.Draft, new FromUnit(new UnitPlace(0, 0), Roles.Model))]
        : [new(Roles.Draft, new FromUnit(new UnitPlace(0, 0), Roles.Model)), new(Roles.ModelData, new FromUnit(new UnitPlace(0, 0), Roles.ModelData))];

    private static IEnumerable<Stage> MakeStages(JobPlan plan)
    {
        if (plan.Corrections.Count > 0)
            yield return new Stage(Part.Draft, 1);
        for (var c = 0; c < plan.Corrections.Count; c++)
        {
            var correction = plan.Corrections[c];
            if (correction.HasReference)
                yield return new Stage(Part.Reference, correction.Shards.Count, c);
            for (var level = 0; level < correction.Levels.Count; level++)
            {
                yield return new Stage(Part.Moments, correction.Shards.Count, c, level);
                yield return new Stage(Part.Correct, 1, c, level);
            }
        }

        yield return new Stage(Part.Assemble, 1);
        yield return new Stage(Part.Check, (plan.Settings.EvaluationShards?.Count ?? 0) + 1);
        if (!plan.Settings.FitsMemory())
            yield break;
        yield return new Stage(Part.FloatLatency, 1);
        yield return new Stage(Part.CompressedLatency, 1);
    }

    private PlannedUnit Moments(UnitPlace place, IReadOnlyList<PlannedInput> model, List<int> applied)
    {
        var (stage, settings) = (_stages[place.Stage], _plan.Settings);
        var correction = _plan.Corrections[stage.Correction];
        var range = correction.Shards[place.Index];
        var isReference = stage.Part == Part.Reference;
        var spec = new MomentsSpec(
            correction.Kind, isReference ? correction.Sites : correction.Levels[stage.Level], [.. applied.Select(AppliedAt)],
            range.First, range.Count, correction.Shards.Batch, settings.BatchNorm, settings.Preprocess);
        return new PlannedUnit(
            $"{Id(stage)}/{(isReference ? "reference" : "moments")}/{place.Index}", UnitKind.Statistics, spec,
            [.. model, new(Roles.Data, new FromBlob(settings.Calibration)), .. applied.Select(CorrectionsOf)],
            Costs.Forward(settings.Macs, range.Count));
    }

    private PlannedUnit Correct(UnitPlace place)
    {
        var stage = _stages[place.Stage];
        var correction = _plan.Corrections[stage.Correction];
        var reference = Array.FindIndex(_stages, s => s.Part == Part.Reference && s.Correction == stage.Correction);
        var inputs = new List<PlannedInput>();
        if (!correction.HasReference)
            inputs.AddRange(DraftInputs);
        inputs.AddRange(Outputs(place.Stage - 1, Roles.Moments));
        if (correction.HasReference)
            inputs.AddRange(Outputs(reference, Roles.Reference));
        var sites = correction.Levels[stage.Level];
        var spec = new CorrectionSpec(correction.Kind, sites, correction.HasReference ? correction.Sites : [])
        {
            Updates = correction.HasReference ? null : CorrectionPlanner.TuningUpdates,
        };
        return new PlannedUnit(Id(stage), UnitKind.Statistics, spec, inputs, sites.Sum(s => (double)s.Channels) * correction.Shards.Samples / correction.Shards.Batch);
    }

    private IEnumerable<PlannedInput> Outputs(int stage, string role) =>
        Enumerable.Range(0, Stages[stage]).Select(i => new PlannedInput(role, new FromUnit(new UnitPlace(stage, i), Roles.Moments)));

    private PlannedUnit Assemble(string id, List<int> applied, bool? folds)
    {
        var parts = new List<IReadOnlyList<PlannedInput>> { new PlannedInput[] { new(Roles.Model, new FromBlob(_plan.Settings.Model)) } };
        var given = 0;
        foreach (var layer in _layers)
        {
            var ranges = layer.Reconstruct is null ? LayerPipeline.ResultRanges(layer) : 1;
            foreach (var role in ResultRolesOf(layer).Select(r => $"{r}/{layer.Index}"))
            {
                var first = given;
                parts.Add(new IndexedList<PlannedInput>(ranges, i => new PlannedInput(role, new FromGiven(first + i))));
                given += ranges;
            }
        }

        parts.Add([.. applied.Select(CorrectionsOf)]);
        parts.Add(StepSizes(given));
        var spec = new AssembleSpec([.. _layers.Select(l => new AssembleLayer(l.Ref(), l.StoredBits(), l.StoredScheme()))], _plan.Settings.BatchNorm)
        {
            Activations = _stepSizes > 0 ? _plan.Reconstruction!.Activations : null,
            Applied = applied.Count == 0 ? null : [.. applied.Select(AppliedAt)],
            FoldsAfter = folds,
            External = _plan.Settings.IsExternal,
        };
        return new PlannedUnit(id, UnitKind.Assemble, spec, IndexedList.Concat(parts), AssemblyCost);
    }

    /// <summary>The blobs of an assembled layer's result, role by role.</summary>
    public static IReadOnlyList<string> ResultRolesOf(LayerPlan layer) =>
        layer.Reconstruct is null ? LayerPipeline.ResultRolesOf(layer) : [Roles.Codes, Roles.Scales, Roles.Zeros];

    private PlannedInput[] StepSizes(int given) =>
        [.. Enumerable.Range(given, _stepSizes).Select(position => new PlannedInput(Roles.StepSizes, new FromGiven(position)))];

    private PlannedUnit Compare()
    {
        var settings = _plan.Settings;
        var shards = settings.CalibrationShards;
        var samples = Math.Min(shards.Samples, Math.Max(CompareSamples / shards.Batch, 1) * shards.Batch);
        // Outputs of layers are compared under their names, which folding changes in both models alike.
        var batchNorm = _plan.FoldsAfter ? BatchNormMode.Fold : settings.BatchNorm;
        var spec = new CompareSpec([.. _layers.Select(l => l.Ref())], 0, samples, shards.Batch, batchNorm, settings.Preprocess);
        List<PlannedInput> inputs = [new(Roles.Model, new FromBlob(settings.Model)), new(Roles.Model, Written), new(Roles.Data, new FromBlob(settings.Calibration))];
        if (settings.ModelTensors is not null)
            inputs.Add(new PlannedInput(Roles.ModelData, Written with { Role = Roles.ModelData }));
        return new PlannedUnit(
            "compare", UnitKind.Evaluate, spec, inputs,
            2 * Costs.Forward(settings.Macs, samples));
    }

    /// <summary>Stages before this one whose corrections the draft has by then.</summary>
    private List<int> Applied(int stage) => [.. Enumerable.Range(0, stage).Where(s => _stages[s].Part == Part.Correct)];

    private AppliedCorrection AppliedAt(int stage)
    {
        var correction = _plan.Corrections[_stages[stage].Correction];
        return new AppliedCorrection(correction.Kind, correction.Levels[_stages[stage].Level]);
    }

    private static PlannedInput CorrectionsOf(int stage) => new(Roles.Corrections, new FromUnit(new UnitPlace(stage, 0), Roles.Corrections));

    private string Id(Stage stage)
    {
        var kind = _plan.Corrections[stage.Correction].Kind switch { Correction.Bias => "bias", Correction.BatchNorm => "batch-norm", _ => "mean-variance" };
        return stage.Part == Part.Reference ? $"correct/{kind}" : $"correct/{kind}/{stage.Level}";
    }

    private readonly record struct Stage(Part Part, int Count, int Correction = 0, int Level = 0);
}
