using Orchestrator.Cli.Running;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Cli.Tests.Running;

public sealed class RecipeFileTests : IDisposable
{
    private const string Text = """
        model: m.onnx
        data: {calibration: {file: c.npz}}
        compress: [{method: obq, bits: 4}]
        """;

    private readonly TestFolder _folder = new();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public void A_file_beside_the_recipe_is_found()
    {
        var recipe = Open("job");
        _folder.Write("job/nets/m.onnx", "");

        Assert.EndsWith(Path.Combine("job", "nets", "m.onnx"), recipe.ResolveFile("model", "nets/m.onnx", "model-not-found"), StringComparison.Ordinal);
    }

    [Fact]
    public void A_missing_file_is_told_with_its_key()
    {
        var thrown = Assert.Throws<InputException>(() => Open("job").ResolveFile("model", "m.onnx", "model-not-found"));

        Assert.Equal(("model-not-found", "model"), (thrown.Code, thrown.Subject));
        Assert.Contains("'m.onnx' does not exist", thrown.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_folder_is_no_file()
    {
        Directory.CreateDirectory(_folder["job/m.onnx"]);

        Assert.Contains("is a folder", Assert.Throws<InputException>(() => Open("job").ResolveFile("model", "m.onnx", "model-not-found")).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("../other/m.onnx", null)]
    [InlineData("link.onnx", "../other/m.onnx")]
    [InlineData("linked/m.onnx", "../other")]
    [InlineData("twice/m.onnx", "linked")]
    public void A_way_out_of_the_folder_is_refused(string path, string? target)
    {
        var recipe = Open("job");
        _folder.Write("other/m.onnx", "");
        if (path.StartsWith("twice", StringComparison.Ordinal))
            Directory.CreateSymbolicLink(_folder["job/linked"], "../other");
        if (target is not null)
            File.CreateSymbolicLink(_folder["job/" + path.Split('/')[0]], target);

        Assert.Equal("path-outside-folder", Assert.Throws<InputException>(() => recipe.ResolveFile("model", path, "model-not-found")).Code);
    }

    [Fact]
    public void A_link_that_stays_inside_is_followed()
    {
        var recipe = Open("job");
        var real = _folder.Write("job/nets/m.onnx", "");
        File.CreateSymbolicLink(_folder["job/latest.onnx"], "nets/m.onnx");

        Assert.Equal(RealPath.Of(real), recipe.ResolveFile("model", "latest.onnx", "model-not-found"));
    }

    [Fact]
    public void A_recipe_folder_behind_a_link_is_a_folder_like_any_other()
    {
        Open("job");
        _folder.Write("job/m.onnx", "");
        Directory.CreateSymbolicLink(_folder["shortcut"], "job");

        Assert.True(File.Exists(RecipeFile.Open(_folder["shortcut/recipe.yaml"]).ResolveFile("model", "m.onnx", "model-not-found")));
    }

    [Fact]
    public void A_loop_of_links_ends()
    {
        var recipe = Open("job");
        File.CreateSymbolicLink(_folder["job/a"], "b");
        File.CreateSymbolicLink(_folder["job/b"], "a");

        Assert.Equal("path-link-loop", Assert.Throws<InputException>(() => recipe.ResolveFile("model", "a", "model-not-found")).Code);
    }

    [Fact]
    public void What_is_no_readable_recipe_is_told()
    {
        File.WriteAllBytes(_folder["latin.yaml"], [0x6D, 0xE4, 0xFF]);
        _folder.Write("huge.yaml", new string('#', RecipeLimits.Bytes + 1));

        Assert.Equal("recipe-not-found", Assert.Throws<InputException>(() => RecipeFile.Open(_folder["none.yaml"])).Code);
        Assert.Contains("folder", Assert.Throws<InputException>(() => RecipeFile.Open(_folder.Path)).Message, StringComparison.Ordinal);
        Assert.Contains("UTF-8", Assert.Throws<InputException>(() => RecipeFile.Open(_folder["latin.yaml"])).Message, StringComparison.Ordinal);
        Assert.Contains("1 MiB", Assert.Throws<InputException>(() => RecipeFile.Open(_folder["huge.yaml"])).Message, StringComparison.Ordinal);
    }

    private RecipeFile Open(string folder) => RecipeFile.Open(_folder.Write(folder + "/recipe.yaml", Text));
}
