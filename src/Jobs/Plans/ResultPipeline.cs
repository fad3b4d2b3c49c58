using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>
/// Writing the model, then its metric and its comparison with the float model, then one latency after the other. Given blobs: per
/// included layer, in order, the blobs of each result role in row order.
/// </summary>
public sealed class ResultPipeline : IUnitPipeline
{
    /// <summary>Ids of the units that evaluate the written model start with this.</summary>
    public const string EvaluationPrefix = "evaluate/compressed/";

    public const string FloatLatency = "latency/float";
    public const string CompressedLatency = "latency/compressed";

    private const int CompareSamples = 64;
    private const int AssembleStage = 0;
    private const int CheckStage = 1;
    private const int FloatLatencyStage = 2;

    private readonly JobPlan _plan;
    private readonly LayerPlan[] _layers;
    private readonly int _shards;

    /// <param name="layers">Indices of the layers that have a result; a layer that failed is left as it was.</param>
    public ResultPipeline(JobPlan plan, IReadOnlyList<int> layers)
    {
        _plan = plan;
        _layers = [.. layers.Select(index => plan.Layers[index])];
        _shards = plan.Settings.EvaluationShards?.Count ?? 0;
        Stages = [1, _shards + 1, 1, 1];
    }

    public IReadOnlyList<int> Stages { get; }

    /// <summary>The unit that writes the model.</summary>
    public static UnitPlace Assembly => new(AssembleStage, 0);

    public PlannedUnit this[UnitPlace place] => place.Stage switch
    {
        AssembleStage => Assemble(),
        CheckStage when place.Index < _shards =>
            Evaluation.Shard(_plan.Settings, $"{EvaluationPrefix}{place.Index}", Written, _plan.Settings.EvaluationShards![place.Index]),
        CheckStage => Compare(),
        FloatLatencyStage => Evaluation.Latency(_plan.Settings, FloatLatency, new FromBlob(_plan.Settings.Model)),
        _ => Evaluation.Latency(_plan.Settings, CompressedLatency, Written),
    };

    public double CostOf(UnitPlace place) => place.Stage == AssembleStage ? AssemblyCost : this[place].Cost;

    /// <summary>Every weight is read, decoded and written.</summary>
    private double AssemblyCost => _plan.Settings.Parameters * 4.0;

    private static InputSource Written => new FromUnit(Assembly, Roles.Model);

    private PlannedUnit Assemble()
    {
        var parts = new List<IReadOnlyList<PlannedInput>> { new PlannedInput[] { new(Roles.Model, new FromBlob(_plan.Settings.Model)) } };
        var given = 0;
        foreach (var layer in _layers)
        {
            var ranges = new RowRanges(layer.Shape, layer.Steps[^1].RangeRows).Count;
            foreach (var role in LayerPipeline.ResultRolesOf(layer).Select(r => $"{r}/{layer.Index}"))
            {
                var first = given;
                parts.Add(new IndexedList<PlannedInput>(ranges, i => new PlannedInput(role, new FromGiven(first + i))));
                given += ranges;
            }
        }

        var inputs = IndexedList.Concat(parts);
        var spec = new AssembleSpec([.. _layers.Select(l => new AssembleLayer(l.Ref(), l.Steps[^1].Step.Bits, l.Steps[^1].Step.Scheme))], _plan.Settings.BatchNorm);
        return new PlannedUnit("assemble", UnitKind.Assemble, spec, inputs, AssemblyCost);
    }

    private PlannedUnit Compare()
    {
        var settings = _plan.Settings;
        var shards = settings.CalibrationShards;
        var samples = Math.Min(shards.Samples, Math.Max(CompareSamples / shards.Batch, 1) * shards.Batch);
        var spec = new CompareSpec([.. _layers.Select(l => l.Ref())], 0, samples, shards.Batch, settings.BatchNorm, settings.Preprocess);
        return new PlannedUnit(
            "compare", UnitKind.Evaluate, spec,
            [new(Roles.Model, new FromBlob(settings.Model)), new(Roles.Model, Written), new(Roles.Data, new FromBlob(settings.Calibration))],
            2 * Costs.Forward(settings.Macs, samples));
    }
}
