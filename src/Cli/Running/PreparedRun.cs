using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Estimating;
using Orchestrator.Cli.Stores;
using Orchestrator.Cli.Verbs;
using Orchestrator.Jobs;

namespace Orchestrator.Cli.Running;

/// <summary>Everything <c>orc run</c> finds out before it writes a byte.</summary>
internal sealed record PreparedRun
{
    public required PreparedJob Job { get; init; }

    public required Preflight Preflight { get; init; }

    public required StoreOpening Store { get; init; }

    /// <summary>Absolute.</summary>
    public required string Out { get; init; }

    /// <exception cref="InputException">Anything that the user has to change.</exception>
    public static PreparedRun Of(RunOptions options, VerbContext context)
    {
        var surroundings = context.Surroundings;
        var inputs = RecipeInputs.Find(options.Recipe);
        var recipe = inputs.Recipe;
        var store = options.Store ?? new StoreOpening(StoreAddress.InFolder(Path.Combine(recipe.Folder, ".orchestrator", "store")), null);
        var output = options.Out ?? recipe.ResolveInside("output.folder", recipe.Recipe.OutputFolder);
        store.Check(context);
        Writability.Check(output, "output-not-writable", "Choose another folder with --out.");

        var (job, loaded) = PreparedJob.Of(inputs, NumericProfiles.Choose(options.Device, options.Profile));
        var estimate = RunEstimate.Of(job.Plan, loaded, inputs.Calibration, store.Address.Folder, options.Slots, surroundings);

        return new PreparedRun
        {
            Job = job,
            Preflight = Preflight.Of(estimate, options.Slots, surroundings.Limits, store.Address.Folder, () => FolderSize.Of(store.Address.Folder!)),
            Store = store,
            Out = output,
        };
    }
}
