using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>The calibration shards of one group of layers: one stage, no given blobs.</summary>
public sealed class StatisticsPipeline(JobPlan plan, int group) : IUnitPipeline
{
    private readonly LayerPlan[] _layers = [.. plan.StatisticsGroups[group].Select(index => plan.Layers[index])];

    public IReadOnlyList<int> Stages { get; } = [plan.Settings.CalibrationShards.Count];

    public PlannedUnit this[UnitPlace place]
    {
        get
        {
            var settings = plan.Settings;
            var range = settings.CalibrationShards[place.Index];
            var spec = new GramSpec(
                [.. _layers.Select(l => l.Ref())], range.First, range.Count, settings.CalibrationShards.Batch, settings.BatchNorm, settings.Preprocess);
            return new PlannedUnit(
                $"statistics/{group}/{place.Index}", UnitKind.Statistics, spec,
                [new(Roles.Model, new FromBlob(settings.Model)), new(Roles.Data, new FromBlob(settings.Calibration))],
                Costs.Statistics(_layers, settings.Macs, range.Count));
        }
    }

    /// <summary>The output role of one layer's statistics.</summary>
    public static string GramRole(int layer) => $"{Roles.Gram}/{layer}";
}
