using System.Text.Json;
using Orchestrator.TestKit.Models;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>The way of a model larger than memory, with a small one whose weights lie beside it; <c>tests/huge-model.sh</c> goes it with 5 GB.</summary>
public sealed class LargeModelTests : IDisposable
{
    private const int Rows = 8;

    private static readonly DecoderShape s_shape = new() { Blocks = 2, Hidden = 128, Intermediate = 256, Vocabulary = 512, Tokens = 16 };

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("orc-large-");

    public LargeModelTests()
    {
        DecoderModel.Write(At("model.onnx"), s_shape);
        TokenFile.Write(At("tokens.npy"), s_shape, sequences: 8);
        File.WriteAllText(At("recipe.yaml"), $$"""
            model: model.onnx
            data:
              calibration: {file: tokens.npy}
            compress:
              - {method: nm, pattern: "2:4"}
              - {method: obq, bits: 4}
            layers:
              - {match: MatMul, rows: {{Rows}}}
              - {match: MatMul_6, bits: 4}
              - {match: "*", skip: true}
            """);
    }

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public async Task Weights_beside_the_model_stay_beside_it()
    {
        var report = await RunAsync();

        var bytes = new FileInfo(At("out/model.onnx")).Length + new FileInfo(At("out/model.onnx.data")).Length;
        Assert.Equal(bytes, report.GetProperty("size").GetProperty("after").GetInt64());
        Assert.Equal(new FileInfo(At("model.onnx")).Length + (4 * s_shape.Parameters) - InlineBytes(), report.GetProperty("size").GetProperty("before").GetInt64());
        Assert.InRange(new FileInfo(At("out/model.onnx")).Length, 1, 1 << 20);
        Assert.True(report.GetProperty("latency").GetProperty("after").GetDouble() > 0);

        var evaluated = (await Orc.RunAsync(_folder.FullName, "eval", "out/model.onnx", "--data", "tokens.npy", "--against", "model.onnx", "--metric", "cosine", "--json")).Expect(0).Json;
        Assert.InRange(evaluated.GetProperty("value").GetDouble(), 0.9, 1);
    }

    [Fact]
    public async Task A_sample_of_rows_is_told_as_one_and_leaves_the_others_as_they_were()
    {
        var layers = (await RunAsync()).GetProperty("layers").EnumerateArray().ToDictionary(l => l.GetProperty("name").GetString()!);

        Assert.Equal(("sample", 32.0), (layers["MatMul"].GetProperty("status").GetString(), layers["MatMul"].GetProperty("bits").GetDouble()));
        Assert.Contains($"only the first {Rows} of {s_shape.Hidden} rows", layers["MatMul"].GetProperty("reason").GetString(), StringComparison.Ordinal);
        Assert.Equal(("compressed", 4.0), (layers["MatMul_6"].GetProperty("status").GetString(), layers["MatMul_6"].GetProperty("bits").GetDouble()));
        Assert.Equal("skipped", layers["MatMul_1"].GetProperty("status").GetString());

        // [inputs × outputs]: a row of the layer is a column here.
        var (before, after) = (Weights("model.onnx"), Weights("out/model.onnx"));
        for (var output = 0; output < s_shape.Hidden; output++)
        {
            var column = Enumerable.Range(0, s_shape.Hidden).Select(input => (input * s_shape.Hidden) + output).ToList();
            if (output < Rows)
                Assert.True(column.Count(i => after[i] == 0) >= s_shape.Hidden / 2);
            else
                Assert.All(column, i => Assert.Equal(before[i], after[i]));
        }
    }

    [Fact]
    public async Task The_same_again_reuses_every_unit_and_a_changed_weight_is_another_job()
    {
        var first = await RunAsync();
        var again = await RunAsync();
        Assert.Equal(first.GetProperty("units").GetProperty("total").GetInt32(), again.GetProperty("units").GetProperty("reused").GetInt32());

        // Its weights are not taken for what no job needs.
        var garbage = (await Orc.RunAsync(_folder.FullName, "gc", "--store", At(".orchestrator/store"), "--older-than", "0s", "--dry-run", "--json")).Expect(0).Json;
        Assert.Equal(0, garbage.GetProperty("inputs").GetInt64());

        using (var data = File.Open(At("model.onnx.data"), FileMode.Open))
        {
            data.Position = data.Length - 4;
            data.Write(BitConverter.GetBytes(0.5f));
        }

        Assert.NotEqual(first.GetProperty("job").GetString(), (await RunAsync()).GetProperty("job").GetString());
    }

    [Theory]
    [InlineData("missing", "does not exist")]
    [InlineData("short", "which has")]
    public async Task A_data_file_that_is_not_whole_is_refused(string fault, string cause)
    {
        if (fault == "missing")
            File.Delete(At("model.onnx.data"));
        else
            using (var data = File.Open(At("model.onnx.data"), FileMode.Open))
                data.SetLength(data.Length / 2);

        var refused = (await Orc.RunAsync(_folder.FullName, "run", "recipe.yaml", "--json")).Expect(2);
        Assert.Contains(cause, refused.Json.GetProperty("error").GetProperty("message").GetString(), StringComparison.Ordinal);
        Assert.False(Directory.Exists(At(".orchestrator")));
        (await Orc.RunAsync(_folder.FullName, "inspect", "model.onnx")).Expect(2);
    }

    [Fact]
    public async Task Inspect_does_not_look_at_the_weights()
    {
        using (var data = File.Open(At("model.onnx.data"), FileMode.Open))
            data.Write(BitConverter.GetBytes(float.NaN));

        var found = (await Orc.RunAsync(_folder.FullName, "inspect", "model.onnx", "--json")).Expect(0).Json;
        Assert.Equal(s_shape.Parameters, found.GetProperty("parameters").GetInt64() - MaskParameters());
        var refused = (await Orc.RunAsync(_folder.FullName, "run", "recipe.yaml", "--json")).Expect(2);
        Assert.Equal("weights-not-finite", refused.Json.GetProperty("error").GetProperty("code").GetString());
    }

    private static int MaskParameters() => s_shape.Tokens * s_shape.Tokens;

    /// <summary>Norms lie in the model file.</summary>
    private static long InlineBytes() => 4L * s_shape.Hidden * ((2 * s_shape.Blocks) + 1);

    private float[] Weights(string model) => Onnx.OnnxModel.Load(At(model)).Graph.Initializer("layers.0.self_attn.q_proj.weight")!.ReadFloats();

    private async Task<JsonElement> RunAsync() => (await Orc.RunAsync(_folder.FullName, "run", "recipe.yaml", "--json")).Expect(0).Json;

    private string At(string name) => Path.Combine(_folder.FullName, name);
}
