namespace Orchestrator.Onnx.Tests;

public sealed class ExternalLayoutTests : IDisposable
{
    private const int Large = ExternalLayout.MinBytes / sizeof(float);

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("onnx-layout-");

    public void Dispose() => _folder.Delete(recursive: true);

    [Fact]
    public void Large_initializers_go_into_the_file_beside_and_stay_there_until_they_are_read()
    {
        Write("model.onnx");
        var model = OnnxModel.Load(At("model.onnx"));

        Assert.True(model.HasExternalData);
        Assert.Null(model.Graph.Initializer("small")!.Mapped);
        Assert.Equal(Values(1), model.Graph.Initializer("first")!.ReadFloats());
        Assert.Equal(Values(2), model.Graph.Initializer("second")!.ReadFloats());
        Assert.Equal(2 * ExternalLayout.MinBytes, model.ExternalBytes);
        Assert.Equal(Values(2), model.Clone().Graph.Initializer("second")!.WithName("other").WithShape(Large).ReadFloats());
    }

    [Fact]
    public void What_was_read_is_written_again_byte_for_byte()
    {
        Write("model.onnx");
        OnnxModel.Load(At("model.onnx")).Save(At("again.onnx"));

        Assert.Equal(File.ReadAllBytes(At("model.onnx.data")), File.ReadAllBytes(At("again.onnx.data")));
        Assert.Equal(Values(1), OnnxModel.Load(OnnxModel.Load(At("again.onnx")).ToBytes()).Graph.Initializer("first")!.ReadFloats());
    }

    [Fact]
    public void Tensors_start_at_pages_and_equal_ones_are_not_taken_for_one()
    {
        Write("model.onnx");
        var model = OnnxModel.Load(At("model.onnx"));
        var places = model.Graph.Initializers.Where(t => t.Mapped is not null).Select(t =>
        {
            using var pin = t.Mapped!.Pin();
            return t.Mapped.Place!.Value.Offset;
        });

        Assert.All(places, offset => Assert.Equal(0, offset % ExternalLayout.Alignment));
        Assert.False(model.Graph.Initializer("first")!.ContentEquals(model.Graph.Initializer("second")!));
        Assert.True(model.Graph.Initializer("first")!.ContentEquals(model.Clone().Graph.Initializer("first")!));
    }

    [Fact]
    public void A_file_that_became_shorter_is_told_and_not_looked_at()
    {
        Write("model.onnx");
        var model = OnnxModel.Load(At("model.onnx"));
        using (var data = File.Open(At("model.onnx.data"), FileMode.Open))
            data.SetLength(ExternalLayout.MinBytes);

        Assert.Equal(Values(1), model.Graph.Initializer("first")!.ReadFloats());
        Assert.Contains("shorter", Assert.Throws<OnnxException>(() => model.Graph.Initializer("second")!.ReadFloats()).Message, StringComparison.Ordinal);
        Assert.Throws<OnnxException>(() => model.Graph.Initializer("second")!.IsFinite());
    }

    [Fact]
    public void Pages_given_back_are_fetched_again()
    {
        Write("model.onnx");
        var tensor = OnnxModel.Load(At("model.onnx")).Graph.Initializer("second")!;
        Assert.Equal(Values(2), tensor.ReadFloats());
        tensor.Mapped!.Release();
        Assert.Equal(Values(2), tensor.ReadFloats());
    }

    private static float[] Values(int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, Large).Select(_ => random.NextSingle())];
    }

    private void Write(string name)
    {
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, Large);
        foreach (var tensor in new[] { Tensor.FromFloats("first", [Large], Values(1)), Tensor.FromFloats("small", [1], [3]), Tensor.FromFloats("second", [Large], Values(2)) })
            x = builder.Binary("Add", x, builder.Constant(tensor));
        builder.Output(x);
        var layout = ExternalLayout.Of(builder.Build(), $"{name}.data");
        File.WriteAllBytes(At(name), layout.Message);
        using var data = File.Create(At($"{name}.data"));
        layout.WriteData(data);
        Assert.Equal(layout.DataLength, data.Length);
    }

    private string At(string name) => Path.Combine(_folder.FullName, name);
}
