using System.Text.Json;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Jobs.Tests.Recipes;

/// <summary>The shipped JSON Schema says what the reader does.</summary>
public sealed class RecipeSchemaTests : IDisposable
{
    private readonly JsonDocument _document = JsonDocument.Parse(RecipeReader.Schema);

    private JsonElement Schema => _document.RootElement;

    private JsonElement Data => Schema.GetProperty("properties").GetProperty("data");

    private JsonElement LayerItem => Schema.GetProperty("properties").GetProperty("layers").GetProperty("items");

    private IEnumerable<JsonElement> Steps => Schema.GetProperty("properties").GetProperty("compress").GetProperty("items").GetProperty("oneOf").EnumerateArray();

    public void Dispose() => _document.Dispose();

    [Fact]
    public void Sections_have_the_same_keys()
    {
        Assert.Equal(RecipeKeys.Root, Keys(Schema));
        Assert.Equal(RecipeKeys.Data, Keys(Data));
        Assert.Equal(RecipeKeys.Calibration, Keys(Data.GetProperty("properties").GetProperty("calibration")));
        Assert.Equal(RecipeKeys.Evaluation, Keys(Data.GetProperty("properties").GetProperty("evaluation")));
        Assert.Equal(RecipeKeys.Preprocess, Keys(Data.GetProperty("properties").GetProperty("preprocess")));
        Assert.Equal(RecipeKeys.Layer, Keys(LayerItem));
        Assert.Equal(RecipeKeys.Output, Keys(Schema.GetProperty("properties").GetProperty("output")));
    }

    [Fact]
    public void Methods_and_their_keys_are_the_same()
    {
        var schema = Steps.ToDictionary(step => step.GetProperty("properties").GetProperty("method").GetProperty("const").GetString()!, Keys);

        Assert.Equal(RecipeKeys.Methods.Keys, schema.Keys);
        Assert.All(RecipeKeys.Methods, method => Assert.Equal(method.Value, schema[method.Key]));
    }

    [Fact]
    public void Words_are_the_same()
    {
        var definitions = Schema.GetProperty("$defs");
        Assert.Equal(RecipeKeys.Metrics, Words(Data.GetProperty("properties").GetProperty("evaluation").GetProperty("properties").GetProperty("metric")));
        Assert.Equal(RecipeKeys.Selections, Words(definitions.GetProperty("select")));
        Assert.Equal(RecipeKeys.Traces, Words(definitions.GetProperty("trace")));
        Assert.Equal(RecipeKeys.Grids, Words(definitions.GetProperty("grid")));
        Assert.Equal(RecipeKeys.Schemes, Words(definitions.GetProperty("scheme")));
        Assert.Equal(RecipeKeys.Corrections, Words(Schema.GetProperty("properties").GetProperty("correct").GetProperty("items")));
        Assert.Equal(RecipeKeys.Granularities, Words(definitions.GetProperty("granularity")));
        Assert.Equal(RecipeKeys.ActivationTunings, Words(definitions.GetProperty("activations")));
        Assert.Equal(RecipeKeys.Inputs, Words(definitions.GetProperty("inputs")));
        Assert.Equal(RecipeKeys.Losses, Words(definitions.GetProperty("loss")));
        Assert.Equal(RecipeKeys.Zeros, Words(Schema.GetProperty("properties").GetProperty("zeros")));
        Assert.Equal(RecipeKeys.BatchNorms, Words(Schema.GetProperty("properties").GetProperty("batch_norm")));
        Assert.Equal(RecipeKeys.FirstLastBits, Words(Schema.GetProperty("properties").GetProperty("first_last_bits")));
    }

    [Fact]
    public void Limits_are_the_same()
    {
        var definitions = Schema.GetProperty("$defs");
        Assert.Equal(RecipeLimits.MinBits, definitions.GetProperty("bits").GetProperty("minimum").GetInt32());
        Assert.Equal(RecipeLimits.MaxBits, definitions.GetProperty("bits").GetProperty("maximum").GetInt32());
        Assert.Equal(CompressStep.DefaultDamping, definitions.GetProperty("damping").GetProperty("default").GetDouble());
        Assert.Equal(Recipe.CurrentVersion, Schema.GetProperty("properties").GetProperty("version").GetProperty("const").GetInt32());
        Assert.Equal(RecipeLimits.PatternLength, LayerItem.GetProperty("properties").GetProperty("match").GetProperty("maxLength").GetInt32());
        Assert.Equal(RecipeLimits.Iterations, definitions.GetProperty("iterations").GetProperty("maximum").GetInt32());
        var block = Steps.Single(step => step.GetProperty("properties").TryGetProperty("size", out _));
        Assert.Equal(RecipeLimits.GroupSize, block.GetProperty("properties").GetProperty("size").GetProperty("maximum").GetInt32());
    }

    /// <summary>A step with only what the schema requires is accepted; without any one of these it is not.</summary>
    [Fact]
    public void Required_keys_are_the_same()
    {
        var values = new Dictionary<string, string> { ["sparsity"] = "0.5", ["pattern"] = "'2:4'", ["size"] = "4", ["bits"] = "4" };
        foreach (var step in Steps)
        {
            var method = step.GetProperty("properties").GetProperty("method").GetProperty("const").GetString();
            var required = step.GetProperty("required").EnumerateArray().Select(key => key.GetString()!).Where(key => key != "method").ToList();
            Assert.True(IsAccepted(method, required));
            Assert.All(required, missing => Assert.False(IsAccepted(method, required.Where(key => key != missing))));
        }

        bool IsAccepted(string? method, IEnumerable<string> keys)
        {
            var step = string.Join(", ", keys.Select(key => $"{key}: {values[key]}").Prepend($"method: {method}"));
            return RecipeReader.TryRead($"model: m.onnx\ndata: {{calibration: {{file: c.npz}}}}\ncompress: [{{{step}}}]\n").Recipe is not null;
        }
    }

    [Fact]
    public void Every_section_refuses_unknown_keys()
    {
        var sections = Sections(Schema).ToList();
        Assert.True(sections.Count > RecipeKeys.Methods.Count);
        Assert.All(sections, section => Assert.False(section.GetProperty("additionalProperties").GetBoolean()));
    }

    private static IEnumerable<JsonElement> Sections(JsonElement element) => element.ValueKind switch
    {
        JsonValueKind.Object => element.EnumerateObject().SelectMany(member => Sections(member.Value)).Concat(
            element.TryGetProperty("properties", out var properties) && properties.ValueKind == JsonValueKind.Object ? [element] : []),
        JsonValueKind.Array => element.EnumerateArray().SelectMany(Sections),
        _ => [],
    };

    private static string[] Keys(JsonElement section) => [.. section.GetProperty("properties").EnumerateObject().Select(member => member.Name)];

    private static string[] Words(JsonElement element) => [.. element.GetProperty("enum").EnumerateArray().Select(word => word.GetString()!)];
}
