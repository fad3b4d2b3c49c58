using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>The float model's metric; needs nothing but model and data, so it runs beside everything else. Without evaluation data it has no units.</summary>
public sealed class BaselinePipeline(PlanSettings settings) : IUnitPipeline
{
    public IReadOnlyList<int> Stages { get; } = [settings.EvaluationShards?.Count ?? 0];

    public PlannedUnit this[UnitPlace place] =>
        Evaluation.Shard(settings, $"evaluate/float/{place.Index}", new FromBlob(settings.Model), settings.EvaluationShards![place.Index]);
}

/// <summary>What evaluations of the float and of the compressed model have in common.</summary>
internal static class Evaluation
{
    /// <summary>Compares with the float model, so it needs no labels; used where only the latency counts.</summary>
    private const string LatencyMetric = "cosine";

    public static PlannedUnit Shard(PlanSettings settings, string id, InputSource model, SampleRange range)
    {
        var metric = settings.Metric!;
        var spec = new EvaluateSpec(metric, range.First, range.Count, settings.EvaluationShards!.Batch, settings.Preprocess, Latency: false) { External = settings.IsExternal };
        return new PlannedUnit(id, UnitKind.Evaluate, spec, Inputs(settings, model, settings.Evaluation!, metric), Costs.Forward(settings.Macs, range.Count));
    }

    /// <summary>A unit of its own, so that a stage of one can measure with nothing else of the job running.</summary>
    public static PlannedUnit Latency(PlanSettings settings, string id, InputSource model)
    {
        var batch = settings.CalibrationShards.Batch;
        var count = Math.Min(batch, settings.CalibrationShards.Samples);
        var spec = new EvaluateSpec(LatencyMetric, 0, count, batch, settings.Preprocess, Latency: true) { External = settings.IsExternal };
        return new PlannedUnit(id, UnitKind.Evaluate, spec, Inputs(settings, model, settings.Calibration, LatencyMetric), Costs.Forward(settings.Macs, count));
    }

    private static List<PlannedInput> Inputs(PlanSettings settings, InputSource model, SourceBlob data, string metric)
    {
        var inputs = new List<PlannedInput> { new(Roles.Model, model), new(Roles.Data, new FromBlob(data)) };
        if (metric is "cosine" or "mse")
            inputs.Add(new PlannedInput(Roles.Model, new FromBlob(settings.Model)));
        // The float model's weights are found by their digests.
        if (settings.ModelTensors is not null && model is FromUnit written)
            inputs.Add(new PlannedInput(Roles.ModelData, written with { Role = Roles.ModelData }));
        return inputs;
    }
}
