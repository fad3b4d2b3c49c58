using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Stores;
using Orchestrator.Cli.Verbs;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;

namespace Orchestrator.Cli.Running;

/// <summary>Everything <c>orc run</c> finds out before it writes a byte.</summary>
internal sealed record PreparedRun
{
    public required RecipeFile Recipe { get; init; }
    public required SourceModel Model { get; init; }
    public required SourceFile Calibration { get; init; }
    public required SourceFile? Evaluation { get; init; }
    public required ModelOutline Outline { get; init; }
    public required JobPlan Plan { get; init; }

    public required Preflight Preflight { get; init; }

    public required StoreOpening Store { get; init; }

    /// <summary>Absolute.</summary>
    public required string Out { get; init; }

    /// <exception cref="InputException">Anything that the user has to change.</exception>
    public static PreparedRun Of(RunOptions options, VerbContext context)
    {
        var surroundings = context.Surroundings;
        var recipe = RecipeFile.Open(options.Recipe);
        var content = recipe.Recipe;
        var modelPath = recipe.ResolveFile("model", content.Model, "model-not-found");
        var calibrationPath = recipe.ResolveFile("data.calibration.file", content.Data.Calibration.File, "data-not-found");
        var evaluationPath = content.Data.Evaluation is { } named ? recipe.ResolveFile("data.evaluation.file", named.File, "data-not-found") : null;
        var store = options.Store ?? new StoreOpening(StoreAddress.InFolder(Path.Combine(recipe.Folder, ".orchestrator", "store")), null);
        var output = options.Out ?? recipe.ResolveInside("output.folder", content.OutputFolder);
        store.Check(context);
        Writability.Check(output, "output-not-writable", "Choose another folder with --out.");

        var (model, loaded) = SourceModel.Read(content.Model, modelPath);
        var outline = ModelOutlines.Of(loaded, model.Stamp.Sha256, model.Stamp.Bytes, content.BatchNorm);
        var (calibration, calibrationHeader) = SourceFile.ReadData(content.Data.Calibration.File, calibrationPath);
        var (evaluation, evaluationHeader) = evaluationPath is null
            ? (null, null)
            : SourceFile.ReadData(content.Data.Evaluation!.File, evaluationPath);
        var profile = NumericProfiles.Choose(options.Device, options.Profile);
        var plan = Planner.Plan(new PlanRequest(content, outline, model.Blob, calibrationHeader, evaluationHeader, profile) { ModelTensors = model.TensorBlobs });
        var estimate = RunEstimate.Of(plan, loaded, calibrationPath, store.Address.Folder, options.Slots, surroundings);

        return new PreparedRun
        {
            Recipe = recipe,
            Model = model,
            Calibration = calibration,
            Evaluation = evaluation,
            Outline = outline,
            Plan = plan,
            Preflight = Preflight.Of(estimate, options.Slots, surroundings.Limits, store.Address.Folder, () => FolderSize.Of(store.Address.Folder!)),
            Store = store,
            Out = output,
        };
    }
}
