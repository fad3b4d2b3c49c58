using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>Recipe + outline + data headers → plan. Pure; asks nothing of clock, disk or machine, so the same inputs give the same job anywhere.</summary>
public static class Planner
{
    /// <summary>Statistics of one run of the graph that may be held together, in bytes.</summary>
    internal const long StatisticsBytes = 256L << 20;

    /// <summary>Largest unrolled layer input of one run, in bytes: the runtime holds several of them at once, and each slot a run of its own.</summary>
    internal const long UnrolledBytes = 32L << 20;

    /// <summary>Weights outside the model's blob with which it may still run as a whole.</summary>
    internal const long WholeModelBytes = 2L << 30;

    private const int CalibrationShard = 256;
    private const int EvaluationShard = 2_500;
    private const int CalibrationBatch = 64;
    private const int EvaluationBatch = 250;

    /// <summary>A layer's input and output in one run of an evaluation: small enough for a cache, large enough that a run is worth its start.</summary>
    private const long EvaluationBytes = 16L << 20;

    /// <exception cref="InputException">The data does not fit the model, a rule matches nothing or has no effect, or no layer is left to compress.</exception>
    public static JobPlan Plan(PlanRequest request)
    {
        var (recipe, outline) = (request.Recipe, request.Outline);
        if (outline.Layers.Count == 0)
            throw NoLayer(recipe, outline.Unsupported);
        StepOrder.Check(recipe);
        var fixedBatch = DataChecks.FixedBatch(outline);
        var calibrationSamples = DataChecks.Calibration(recipe, outline, request.Calibration, fixedBatch);
        if (request.Evaluation is { } evaluation)
            DataChecks.Evaluation(recipe, outline, evaluation, fixedBatch);

        var layers = LayerPlanner.Plan(recipe, outline);
        if (layers.All(l => l.IsLeftAlone))
            throw NothingToDo(recipe, layers);
        var settings = Settings(request, layers, calibrationSamples, fixedBatch);
        var plan = new JobPlan
        {
            Settings = settings,
            Layers = layers,
            Blocks = [.. outline.Blocks.Select(b => new BlockPlan(b.Name, [.. layers.Where(l => l.Block == b.Name && l.Steps.Count > 0).Select(l => l.Index)])).Where(b => b.Layers.Count > 0)],
            StatisticsGroups = Groups(layers),
            Unsupported = outline.Unsupported,
            Corrections = CorrectionPlanner.Plan(recipe, outline, layers, settings.CalibrationShards, fixedBatch),
            Reconstruction = ReconstructionPlanner.Plan(recipe, outline, layers, calibrationSamples, fixedBatch),
        };
        return plan.Marked();
    }

    private static PlanSettings Settings(PlanRequest request, IReadOnlyList<LayerPlan> layers, int calibrationSamples, int? fixedBatch)
    {
        var unrolled = layers.Where(l => !l.IsLeftAlone).Max(l => l.Positions * l.Shape.Columns * l.Shape.Groups * sizeof(float));
        var batch = (int)Math.Clamp(UnrolledBytes / Math.Max(unrolled, 1), 1, CalibrationBatch);
        return new PlanSettings
        {
            Model = request.Model,
            ModelTensors = request.ModelTensors,
            Calibration = request.Calibration.Blob,
            CalibrationShards = SampleShards.Cut(calibrationSamples, CalibrationShard, batch, fixedBatch),
            Evaluation = request.Evaluation?.Blob,
            EvaluationShards = request.Evaluation is { } e ? SampleShards.Cut(e.Samples, EvaluationShard, BatchOfEvaluation(request.Outline), fixedBatch) : null,
            Metric = request.Evaluation is null ? null : request.Recipe.Data.Evaluation?.Metric,
            BatchNorm = request.Recipe.BatchNorm == BatchNormMode.Fold ? BatchNormMode.Fold : BatchNormMode.Keep,
            Preprocess = request.Recipe.Data.Preprocess,
            Profile = request.Profile,
            Seed = request.Recipe.Seed,
            Macs = request.Outline.Macs,
            Parameters = request.Outline.Parameters,
        };
    }

    private static int BatchOfEvaluation(ModelOutline outline)
    {
        var largest = outline.Layers.Max(l => l.Positions * (l.Rows + (long)l.Columns / l.KernelPositions * l.Groups) * sizeof(float));
        return (int)Math.Clamp(EvaluationBytes / Math.Max(largest, 1), 1, EvaluationBatch);
    }

    /// <summary>First fit in plan order: neighbours in the graph share a run, and one layer may exceed the bound alone.</summary>
    private static List<IReadOnlyList<int>> Groups(IReadOnlyList<LayerPlan> layers)
    {
        var groups = new List<IReadOnlyList<int>>();
        var (current, bytes) = (new List<int>(), 0L);
        foreach (var layer in layers.Where(l => l.Steps.Count > 0))
        {
            var own = HessianBytes(layer.Shape);
            if (current.Count > 0 && bytes + own > StatisticsBytes)
            {
                groups.Add(current);
                (current, bytes) = ([], 0L);
            }

            current.Add(layer.Index);
            bytes += own;
        }

        if (current.Count > 0)
            groups.Add(current);
        return groups;
    }

    internal static long HessianBytes(LayerShape shape) => (long)shape.Groups * shape.Columns * shape.Columns * sizeof(double);

    private static InputException NoLayer(Recipe recipe, IReadOnlyList<UnsupportedNode> unsupported) => new(
        "no-supported-layer",
        recipe.Model,
        unsupported.Count == 0 ? "The model has no layer with weights." : $"None of the model's layers can be compressed; the first, '{unsupported[0].Name}' ({unsupported[0].OpType}): {unsupported[0].Reason}.",
        "Use a model with Conv, Gemm or MatMul layers whose weights are constants; `orc inspect` lists what is supported.");

    private static InputException NothingToDo(Recipe recipe, IReadOnlyList<LayerPlan> layers) => new(
        "nothing-to-compress",
        recipe.Model,
        $"No step of the recipe applies to any layer; the first, '{layers[0].Name}': {layers[0].Reason}.",
        "Change 'compress' or the rules in 'layers' so that at least one layer is compressed.");
}
