using System.Text.Json;
using Orchestrator.Onnx;

namespace Orchestrator.Cli.Tests.Verbs;

/// <summary><c>orc inspect</c> and <c>orc eval</c>.</summary>
public sealed class ModelVerbTests : IDisposable
{
    private readonly TestFolder _folder = SampleFolder.Create();

    public void Dispose() => _folder.Dispose();

    [Fact]
    public async Task Inspect_tells_every_layer_and_what_a_job_would_take()
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("inspect", SampleFolder.Model, "--json"));

        var result = console.Json;
        var layers = result.GetProperty("layers").EnumerateArray().ToList();
        Assert.Equal(16, layers.Count);
        Assert.Equal((24, 9), (layers[0].GetProperty("rows").GetInt32(), layers[0].GetProperty("columns").GetInt32()));
        Assert.Equal((10, 96), (layers[^1].GetProperty("rows").GetInt32(), layers[^1].GetProperty("columns").GetInt32()));
        Assert.Equal(layers.Count, result.GetProperty("blocks").EnumerateArray().Sum(block => block.GetProperty("layers").GetArrayLength()));
        Assert.Equal(0, result.GetProperty("unsupported").GetArrayLength());
        Assert.True(result.GetProperty("parameters").GetInt64() > layers.Sum(layer => layer.GetProperty("rows").GetInt64() * layer.GetProperty("columns").GetInt64()));
        Assert.Equal(layers.Sum(layer => layer.GetProperty("macs").GetInt64()), result.GetProperty("macs").GetInt64());
        Assert.True(result.GetProperty("estimate").GetProperty("memoryBytes").GetInt64() > 0);
        Assert.True(result.GetProperty("estimate").GetProperty("seconds").GetDouble() > 0);
        Assert.Contains("16 layers in", console.Error, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_model_agrees_with_itself()
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.Success, await console.RunAsync("eval", SampleFolder.Model, "--data", SampleFolder.Data, "--metric", "cosine", "--against", SampleFolder.Model, "--json"));

        var result = console.Json;
        const double Rounding = 1e-6;
        Assert.Equal("cosine", result.GetProperty("metric").GetString());
        Assert.Equal(1, result.GetProperty("value").GetDouble(), Rounding);
        Assert.Equal(SampleFolder.Samples, result.GetProperty("samples").GetInt32());
        Assert.True(result.GetProperty("latencyMs").GetDouble() > 0);
        Assert.Equal(new FileInfo(_folder[SampleFolder.Model]).Length, result.GetProperty("sizeBytes").GetInt64());
    }

    [Theory]
    [InlineData("eval none.onnx --data images.npy --metric cosine --against none.onnx", "model-not-found")]
    [InlineData("eval fashion_resnet14.onnx --data none.npy", "data-missing")]
    [InlineData("eval fashion_resnet14.onnx --data images.npy", "reference-missing")]
    [InlineData("eval fashion_resnet14.onnx --data images.npy --metric top1", "labels-missing")]
    [InlineData("eval fashion_resnet14.onnx --data images.npy --metric top9", "metric-unknown")]
    [InlineData("eval fashion_resnet14.onnx --data images.npy --std 0", "option-invalid")]
    [InlineData("eval fashion_resnet14.onnx --data images.npy --mean a,b", "option-invalid")]
    [InlineData("eval fashion_resnet14.onnx --data images.npy --scale 0", "option-invalid")]
    [InlineData("eval images.npy --data images.npy --metric mse --against images.npy", "model-invalid")]
    [InlineData("inspect none.onnx", "model-not-found")]
    [InlineData("inspect images.npy", "model-invalid")]
    public async Task What_cannot_be_done_is_refused(string line, string code)
    {
        using var console = new TestConsole(_folder.Path);

        Assert.Equal(ExitCodes.WrongInput, await console.RunAsync([.. line.Split(' '), "--json"]));
        Assert.Equal(code, console.Json.GetProperty("error").GetProperty("code").GetString());
    }

    [Fact]
    public async Task Preprocessing_reaches_the_model()
    {
        using var plain = new TestConsole(_folder.Path);
        using var scaled = new TestConsole(_folder.Path);
        string[] line = ["eval", SampleFolder.Model, "--data", SampleFolder.Data, "--metric", "mse", "--against", Changed(), "--json"];
        await plain.RunAsync(line);
        await scaled.RunAsync([.. line, "--scale", "0.5", "--mean", "0.25", "--std", "2"]);

        Assert.NotEqual(plain.Json.GetProperty("value").GetDouble(), scaled.Json.GetProperty("value").GetDouble());
    }

    /// <summary>The same model with one weight changed.</summary>
    private string Changed()
    {
        var model = OnnxModel.Load(_folder[SampleFolder.Model]);
        var weight = model.Graph.Initializers.First(tensor => tensor.Shape.Count == 4);
        var values = weight.ReadFloats();
        values[0] += 1;
        model.Graph.ReplaceInitializer(weight.Name, Tensor.FromFloats(weight.Name, weight.Shape, values));
        model.Save(_folder["changed.onnx"]);
        return "changed.onnx";
    }
}
