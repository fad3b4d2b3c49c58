using Orchestrator.Jobs;

namespace Orchestrator.Cli.Running;

/// <summary>A recipe and the real paths of the files that it names.</summary>
/// <param name="Evaluation">Null where the recipe names none.</param>
internal sealed record RecipeInputs(RecipeFile Recipe, string Model, string Calibration, string? Evaluation)
{
    /// <param name="path">Absolute path of the recipe.</param>
    /// <exception cref="InputException">The recipe is wrong, or a file is missing or lies outside its folder.</exception>
    public static RecipeInputs Find(string path)
    {
        var recipe = RecipeFile.Open(path);
        var data = recipe.Recipe.Data;
        return new RecipeInputs(
            recipe,
            recipe.ResolveFile("model", recipe.Recipe.Model, "model-not-found"),
            recipe.ResolveFile("data.calibration.file", data.Calibration.File, "data-not-found"),
            data.Evaluation is { } named ? recipe.ResolveFile("data.evaluation.file", named.File, "data-not-found") : null);
    }
}
