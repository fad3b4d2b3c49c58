using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

/// <summary>The recipes that are shipped beside their models.</summary>
public sealed class SampleRecipeTests
{
    public static TheoryData<string> Recipes() => [.. Directory.GetFiles(Samples(), "*.yaml", SearchOption.AllDirectories).Select(path => Path.GetRelativePath(Samples(), path))];

    [Theory]
    [MemberData(nameof(Recipes))]
    public void A_sample_is_read_and_what_it_names_lies_beside_it(string path)
    {
        var file = Path.Combine(Samples(), path);
        var recipe = RecipeReader.Read(File.ReadAllText(file));
        string?[] named = [recipe.Model, recipe.Data.Calibration.File, recipe.Data.Evaluation?.File];

        Assert.All(named.OfType<string>(), name => Assert.True(File.Exists(Path.Combine(Path.GetDirectoryName(file)!, name)), $"'{name}' is missing"));
    }

    [Theory]
    [InlineData("w4a32", 4, 32)]
    [InlineData("w2a32", 2, 32)]
    [InlineData("w4a4", 4, 4)]
    [InlineData("w2a4", 2, 4)]
    public void A_sample_s_name_says_its_bits(string name, int weights, int activations)
    {
        foreach (var folder in new[] { "fashion-resnet14", "fashion-mobilenetv2" })
        {
            var step = Assert.IsType<ReconstructStep>(Assert.Single(RecipeReader.Read(File.ReadAllText(Path.Combine(Samples(), folder, $"{name}.yaml"))).Compress));
            Assert.Equal((weights, activations), (step.Bits, step.ActivationBits));
        }
    }

    private static string Samples()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return Path.Combine(folder!.FullName, "src", "Samples");
    }
}
