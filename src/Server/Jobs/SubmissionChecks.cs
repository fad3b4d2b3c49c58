using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>What a submission has to be before anything of it is written: a plan that contradicts itself would fail the coordinator of all tenants.</summary>
internal static class SubmissionChecks
{
    private const int MostUnits = 20_000_000;
    private const int MostLayers = 100_000;
    private const int LongestName = 200;
    private const int DigestLength = 64;

    /// <exception cref="RefusedException">It cannot be carried out by anyone.</exception>
    public static void Check(JobSubmission submission)
    {
        try
        {
            CheckWhole(submission);
        }
        catch (NullReferenceException cause)
        {
            throw Wrong("submission", $"something that has to be there is null ({cause.TargetSite?.Name})");
        }
    }

    private static void CheckWhole(JobSubmission submission)
    {
        var plan = submission.Plan;
        Expect(plan.Schema <= JobPlan.CurrentSchema, "plan", $"it has schema {plan.Schema}, this server knows {JobPlan.CurrentSchema}");
        Expect(submission.Name is { Length: > 0 and <= LongestName } && !submission.Name.Any(char.IsControl), "name", $"1 to {LongestName} letters are expected");
        Expect(plan.Layers.Count is > 0 and <= MostLayers, "plan.layers", $"1 to {MostLayers} are expected");
        for (var index = 0; index < plan.Layers.Count; index++)
            CheckLayer(plan.Layers[index], index);
        var solved = plan.Layers.Where(l => l.Steps.Count > 0).Select(l => l.Index).Order().ToArray();
        Expect(!plan.Layers.All(l => l.IsLeftAlone), "plan.layers", "nothing is done to any of them");
        CheckReconstruction(plan);
        Expect(plan.StatisticsGroups.SelectMany(g => g).Order().SequenceEqual(solved), "plan.statisticsGroups", "together they have to hold every layer with steps once");
        Expect(plan.StatisticsGroups.All(g => g.Count > 0), "plan.statisticsGroups", "one is empty");
        Expect(plan.Blocks.SelectMany(b => b.Layers).Order().SequenceEqual(solved), "plan.blocks", "together they have to hold every layer with steps once");
        CheckSettings(plan.Settings);
        Expect(submission.Outline.Layers.Count <= MostLayers, "outline.layers", $"at most {MostLayers} are expected");
        CheckUnits(plan);
    }

    /// <exception cref="RefusedException">A model or data file is not in the store.</exception>
    public static async Task CheckSourcesAsync(IBlobStore store, string tenant, JobPlan plan, CancellationToken cancellationToken)
    {
        foreach (var source in Sources(plan.Settings))
        {
            var name = BlobNames.Input(tenant, source.Sha256);
            var isThere = false;
            await foreach (var entry in store.ListAsync(name, cancellationToken))
                isThere |= entry.Name == name && entry.Length == source.Length;
            if (!isThere)
                throw new RefusedException(Refusal.Invalid, "input-missing", source.Sha256, $"The plan names an input of {source.Length} bytes that is not there.", "Put it under /v1/inputs first.");
        }
    }

    private static IEnumerable<SourceBlob> Sources(PlanSettings settings) =>
        new[] { settings.Model, settings.Calibration, settings.Evaluation }.Concat(settings.ModelTensors ?? []).OfType<SourceBlob>();

    private static void CheckLayer(LayerPlan layer, int index)
    {
        var subject = $"plan.layers[{index}]";
        Expect(layer.Index == index, subject, $"its index is {layer.Index}");
        Expect(layer.Shape is { Rows: > 0, Columns: > 0 } && layer.Positions >= 0, subject, "its shape is no matrix's");
        Expect(layer.Steps.All(s => s.RangeRows > 0), subject, "a step has units without rows");
        Expect(layer.SampleRows is null or > 0 && (layer.SampleRows ?? 0) <= layer.Shape.Rows, subject, "its sample has more rows than the layer");
    }

    private static void CheckReconstruction(JobPlan plan)
    {
        const string Subject = "plan.reconstruction";
        var tuned = plan.Layers.Where(l => l.Reconstruct is not null).Select(l => l.Index).Order().ToArray();
        var groups = plan.Reconstruction?.Groups ?? [];
        Expect(groups.SelectMany(g => g.Layers).Order().SequenceEqual(tuned) && groups.All(g => g.Layers.Count > 0), Subject, "its groups have to hold every layer that is reconstructed once");
        if (plan.Reconstruction is not { } reconstruction)
            return;
        Expect(tuned.Length > 0, Subject, "it has no groups");
        Expect(reconstruction.Phases.Count is 1 or 2 && reconstruction.Phases.Distinct().Count() == reconstruction.Phases.Count, Subject, "one or two phases are expected");
        foreach (var phase in reconstruction.Phases)
        {
            var parameters = reconstruction.ParametersOf(phase);
            Expect(parameters is { Iterations: > 0, Batch: > 0 }, Subject, "steps and their samples have to be more than none");
            Expect(phase == ReconstructionPhase.Weights || reconstruction.Activations is not null, Subject, "activations that are tuned have to have bits");
        }
    }

    private static void CheckSettings(PlanSettings settings)
    {
        foreach (var source in Sources(settings))
            Expect(source.Sha256.Length == DigestLength && source.Sha256.All(char.IsAsciiHexDigitLower) && source.Length >= 0, "plan.settings", $"'{source.Sha256}' is no SHA-256");
        foreach (var shards in new[] { settings.CalibrationShards, settings.EvaluationShards }.OfType<SampleShards>())
            Expect(shards is { Samples: > 0, Size: > 0, Batch: > 0 }, "plan.settings", "shards have to hold samples");
        Expect((settings.Evaluation is null) == (settings.EvaluationShards is null), "plan.settings", "evaluation data and their shards go together");
        Expect(settings.Profile is { Length: > 0 and <= LongestName }, "plan.settings.profile", "it is empty or too long");
    }

    private static void CheckUnits(JobPlan plan)
    {
        try
        {
            var units = PlanUnits.Totals(plan).Units;
            Expect(units is > 0 and <= MostUnits, "plan", $"it has {units} units; 1 to {MostUnits} are expected");
            foreach (var pipeline in PlanUnits.Pipelines(plan))
            {
                for (var stage = 0; stage < pipeline.Stages.Count; stage++)
                {
                    if (pipeline.Stages[stage] > 0)
                        _ = pipeline[new UnitPlace(stage, pipeline.Stages[stage] - 1)];
                }
            }
        }
        catch (Exception cause) when (cause is ArgumentException or InvalidOperationException or OverflowException or IndexOutOfRangeException or KeyNotFoundException)
        {
            throw Wrong("plan", $"its units cannot be told: {cause.Message}");
        }
    }

    private static void Expect(bool isSo, string subject, string cause)
    {
        if (!isSo)
            throw Wrong(subject, cause);
    }

    private static RefusedException Wrong(string subject, string cause) =>
        new(Refusal.Invalid, "plan-invalid", subject, $"The submission contradicts itself: {cause}.", "Submit with `orc submit` of this server's version.");
}
