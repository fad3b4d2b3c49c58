namespace Orchestrator.Jobs.Plans;

/// <summary>All units of a plan, one at a time: counts, costs and the list behind <c>--dry-run</c>.</summary>
public static class PlanUnits
{
    public static IEnumerable<PlannedUnit> All(JobPlan plan) => Pipelines(plan).SelectMany(All);

    public static IEnumerable<PlannedUnit> All(IUnitPipeline pipeline)
    {
        for (var stage = 0; stage < pipeline.Stages.Count; stage++)
            for (var index = 0; index < pipeline.Stages[stage]; index++)
                yield return pipeline[new UnitPlace(stage, index)];
    }

    /// <summary>The pipelines of a plan in which every layer succeeds.</summary>
    public static IEnumerable<IUnitPipeline> Pipelines(JobPlan plan)
    {
        yield return new BaselinePipeline(plan.Settings);
        for (var group = 0; group < plan.StatisticsGroups.Count; group++)
            yield return new StatisticsPipeline(plan, group);
        foreach (var layer in plan.Layers.Where(l => l.Steps.Count > 0))
            yield return new LayerPipeline(plan.Settings, layer);
        var reconstruction = plan.Reconstruction is null ? null : new ReconstructionPipeline(plan, [.. plan.Layers.Where(l => l.Steps.Count > 0).Select(l => l.Index)]);
        if (reconstruction is not null)
            yield return reconstruction;
        yield return new ResultPipeline(plan, [.. plan.Layers.Where(l => !l.IsLeftAlone).Select(l => l.Index)], reconstruction?.StepSizes ?? 0);
    }

    /// <summary>Number of units and their nominal cost.</summary>
    public static UnitTotals Totals(JobPlan plan) => Pipelines(plan).Aggregate(default(UnitTotals), (sum, pipeline) => sum + Totals(pipeline));

    /// <summary>Operations of the graph that accumulates some layers' Hessians: the forward pass up to the last of them, and the products.</summary>
    public static double StatisticsOperations(JobPlan plan, IReadOnlyCollection<LayerPlan> layers, int samples) =>
        Costs.Statistics(layers, (long)(plan.Settings.Macs * ForwardShare(plan, layers.Select(layer => layer.Index))), samples);

    /// <summary>How much of a forward pass is done when the last of some layers has its output: a graph made for them ends there. Layers stand in the order of the graph.</summary>
    public static double ForwardShare(JobPlan plan, IEnumerable<int> layers)
    {
        var last = layers.Max();
        var (before, all) = (0.0, 0.0);
        foreach (var layer in plan.Layers)
        {
            var own = (double)layer.Positions * layer.Shape.Rows * layer.Shape.Columns;
            all += own;
            before += layer.Index <= last ? own : 0;
        }

        return all > 0 ? before / all : 1;
    }

    public static UnitTotals Totals(IUnitPipeline pipeline)
    {
        var totals = default(UnitTotals);
        for (var stage = 0; stage < pipeline.Stages.Count; stage++)
        {
            var count = pipeline.Stages[stage];
            if (count == 0)
                continue;
            // Units of a stage differ in their number of rows only, and only the last of a group or stage is shorter.
            var (first, last) = (pipeline.CostOf(new UnitPlace(stage, 0)), pipeline.CostOf(new UnitPlace(stage, count - 1)));
            totals += new UnitTotals(count, first * (count - 1) + last);
        }

        return totals;
    }
}

/// <param name="Cost">Nominal floating-point operations.</param>
public readonly record struct UnitTotals(int Units, double Cost)
{
    public static UnitTotals operator +(UnitTotals left, UnitTotals right) => new(left.Units + right.Units, left.Cost + right.Cost);
}
