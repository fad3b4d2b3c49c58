using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit;

namespace Orchestrator.Jobs.Tests.Recipes;

/// <summary>What a recipe comes to, every default written out: a default that changes changes users' results.</summary>
public sealed class RecipeGoldenTests
{
    [Theory]
    [InlineData("recipe.smallest.json", """
        model: m.onnx
        data: {calibration: {file: c.npz}}
        compress: [{method: obq, bits: 4}]
        """)]
    [InlineData("recipe.full.json", """
        version: 1
        model: nets/m.onnx
        data:
          calibration: {file: c.npz, samples: 1024}
          evaluation:  {file: t.npz, metric: top5}
          preprocess:  {scale: 0.5, mean: [0.25, -1], std: [1e-1, 2]}
        compress:
          - {method: exact-obs, sparsity: 0.7, select: sort, damping: 0}
          - {method: rtn, bits: 3, grid: minmax, scheme: symmetric}
        layers:
          - {match: "/fc/Gemm", bits: 8}
          - {match: "/stem/*", skip: true}
        batch_norm: keep
        seed: -7
        output: {folder: results/one}
        """)]
    public void A_recipe_means_what_it_always_meant(string golden, string recipe) =>
        GoldenFile.MatchesJson("Jobs.Tests", golden, CanonicalJson.Serialize(RecipeReader.Read(recipe)));

    [Fact]
    public void A_recipe_of_a_newer_version_is_refused()
    {
        var refused = Assert.Throws<InputException>(() => RecipeReader.Read("version: 99\nmodel: m.onnx\ndata: {calibration: {file: c.npz}}\ncompress: [{method: obq, bits: 4}]\n"));

        Assert.Equal("recipe-too-new", refused.Code);
        Assert.Contains("99", refused.Message, StringComparison.Ordinal);
    }
}
