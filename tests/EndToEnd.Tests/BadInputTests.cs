using System.IO.Compression;
using System.Text;
using Orchestrator.Onnx;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>Bad input: exit code 2, one clear message with code, subject and remedy, and nothing written.</summary>
public sealed class BadInputTests
{
    private const int WrongInput = 2;

    [Fact]
    public Task Not_a_protobuf() => Refuses(w => File.WriteAllText(w[Workspace.Model], "This is no model."), Workspace.Recipe());

    [Fact]
    public Task A_truncated_model() => Refuses(
        w => File.WriteAllBytes(w[Workspace.Model], File.ReadAllBytes(w[Workspace.Model])[..200_000]), Workspace.Recipe());

    [Fact]
    public Task An_empty_model() => Refuses(w => File.WriteAllBytes(w[Workspace.Model], []), Workspace.Recipe());

    [Fact]
    public Task A_missing_model() => Refuses(w => File.Delete(w[Workspace.Model]), Workspace.Recipe(), "model");

    [Theory]
    [InlineData(6)]
    [InlineData(99)]
    public Task An_opset_out_of_range(int opset) => Refuses(w => Rewrite(w, model => model.SetOpset("", opset)), Workspace.Recipe());

    [Fact]
    public Task A_weight_that_is_not_a_number() => Refuses(w => Rewrite(w, model => Poison(model, float.NaN)), Workspace.Recipe());

    [Fact]
    public Task An_infinite_weight() => Refuses(w => Rewrite(w, model => Poison(model, float.PositiveInfinity)), Workspace.Recipe());

    [Fact]
    public Task A_model_outside_the_recipes_folder() => Refuses(_ => { }, Workspace.Recipe(model: "../elsewhere/model.onnx"), "model");

    [Fact]
    public Task A_model_behind_a_link_that_leads_outside() => Refuses(
        w =>
        {
            File.Delete(w[Workspace.Model]);
            File.CreateSymbolicLink(w[Workspace.Model], Path.Combine(Workspace.SampleFolder, Workspace.Model));
        },
        Workspace.Recipe());

    [Fact]
    public Task Missing_data() => Refuses(w => File.Delete(w[Workspace.Calibration]), Workspace.Recipe(), "calibration");

    [Fact]
    public Task Data_that_is_not_NumPy() => Refuses(w => File.WriteAllText(w[Workspace.Calibration], "PK but no zip"), Workspace.Recipe());

    [Fact]
    public Task Data_of_the_wrong_shape() => Refuses(w => WriteNpz(w, "(8, 1, 14, 14)", new float[8 * 14 * 14]), Workspace.Recipe(calibration: $"{{file: {Workspace.Calibration}}}"));

    [Fact]
    public Task Data_that_is_not_a_number() => Refuses(
        w => WriteNpz(w, "(8, 1, 28, 28)", [float.NaN, .. new float[8 * 28 * 28 - 1]]),
        Workspace.Recipe(calibration: $"{{file: {Workspace.Calibration}}}"));

    [Fact]
    public Task More_samples_than_there_are() => Refuses(_ => { }, Workspace.Recipe(calibration: $"{{file: {Workspace.Calibration}, samples: 99999}}"));

    [Fact]
    public Task An_unknown_recipe_key() => Refuses(_ => { }, Workspace.Recipe(rest: "compres: []"), "compres");

    [Fact]
    public Task An_unknown_method() => Refuses(_ => { }, Workspace.Recipe("[{method: exact-obz, sparsity: 0.5}]"), "exact-obz");

    [Fact]
    public Task Broken_yaml() => Refuses(_ => { }, Workspace.Recipe("[{method: rtn, bits: 4}"));

    [Fact]
    public Task A_pattern_that_matches_nothing() => Refuses(_ => { }, Workspace.Recipe(rest: "layers: [{match: '/nowhere*', skip: true}]"), "/nowhere*");

    [Theory]
    [InlineData("[{method: exact-obs, sparsity: 1.5}]")]
    [InlineData("[{method: exact-obs, sparsity: -0.1}]")]
    [InlineData("[{method: obq, bits: 1}]")]
    [InlineData("[{method: obq, bits: 9}]")]
    [InlineData("[{method: nm, pattern: '4:2'}]")]
    public Task A_value_out_of_range(string compress) => Refuses(_ => { }, Workspace.Recipe(compress));

    [Fact]
    public Task A_model_without_a_supported_layer() => Refuses(w => File.WriteAllBytes(w[Workspace.Model], TinyModels.Relu()), Workspace.Recipe());

    [Fact]
    public async Task An_output_folder_that_is_a_file()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe());
        workspace.Write("taken", "a file");
        var result = await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--out", "taken", "--json");
        result.Expect(WrongInput);
        Assert.Equal("a file", File.ReadAllText(workspace["taken"]));
        Assert.False(Directory.Exists(workspace[".orchestrator"]));
    }

    [Fact]
    public async Task All_mistakes_of_a_recipe_are_told_at_once()
    {
        using var workspace = new Workspace();
        workspace.Write("recipe.yaml", Workspace.Recipe("[{method: obq, bits: 1}, {method: exact-obs, sparsity: 2}]", rest: "colour: blue"));
        var result = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml")).Expect(WrongInput);
        Assert.Contains("bits", result.Errors, StringComparison.Ordinal);
        Assert.Contains("sparsity", result.Errors, StringComparison.Ordinal);
        Assert.Contains("colour", result.Errors, StringComparison.Ordinal);
    }

    private static async Task Refuses(Action<Workspace> spoil, string recipe, string? named = null)
    {
        using var workspace = new Workspace();
        spoil(workspace);
        workspace.Write("recipe.yaml", recipe);
        var before = Directory.GetFileSystemEntries(workspace.Folder).Order().ToArray();

        var result = (await Orc.RunAsync(workspace.Folder, "run", "recipe.yaml", "--json")).Expect(WrongInput);

        var error = result.Json.GetProperty("error");
        foreach (var member in (string[])["code", "message", "subject", "remedy"])
            Assert.False(string.IsNullOrWhiteSpace(error.GetProperty(member).GetString()), $"{member} is empty");
        Assert.NotEmpty(result.Errors.Trim());
        Assert.DoesNotContain("   at ", result.Errors, StringComparison.Ordinal);
        if (named is not null)
            Assert.Contains(named, error.GetRawText(), StringComparison.Ordinal);
        Assert.Equal(before, Directory.GetFileSystemEntries(workspace.Folder).Order());
    }

    private static void Rewrite(Workspace workspace, Action<OnnxModel> change)
    {
        var model = OnnxModel.Load(workspace[Workspace.Model]);
        change(model);
        File.WriteAllBytes(workspace[Workspace.Model], model.ToBytes());
    }

    private static void Poison(OnnxModel model, float value)
    {
        var weight = model.Graph.Initializers.First(tensor => tensor.Shape.Count == 4);
        var values = weight.ReadFloats();
        values[values.Length / 2] = value;
        model.Graph.ReplaceInitializer(weight.Name, Tensor.FromFloats(weight.Name, weight.Shape, values));
    }

    /// <summary>An archive with one float32 array <c>images</c>.</summary>
    private static void WriteNpz(Workspace workspace, string shape, float[] values)
    {
        using var file = File.Create(workspace[Workspace.Calibration]);
        using var archive = new ZipArchive(file, ZipArchiveMode.Create);
        using var entry = archive.CreateEntry("images.npy").Open();
        var header = $"{{'descr': '<f4', 'fortran_order': False, 'shape': {shape}, }}".PadRight(117) + "\n";
        entry.Write([0x93, .. "NUMPY"u8, 1, 0, (byte)header.Length, 0]);
        entry.Write(Encoding.ASCII.GetBytes(header));
        foreach (var value in values)
            entry.Write(BitConverter.GetBytes(value));
    }
}
