using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Tests.Reading;

public sealed class ExternalDataTests : IDisposable
{
    private readonly string _root = Directory.CreateTempSubdirectory("onnx-external").FullName;
    private readonly string _folder;

    public ExternalDataTests()
    {
        _folder = Directory.CreateDirectory(Path.Combine(_root, "model")).FullName;
        var values = Enumerable.Range(0, 8).SelectMany(i => BitConverter.GetBytes((float)i)).ToArray();
        File.WriteAllBytes(Path.Combine(_folder, "weights.bin"), values);
        File.WriteAllBytes(Path.Combine(_root, "outside.bin"), values);
    }

    public void Dispose() => Directory.Delete(_root, recursive: true);

    [Fact]
    public void Bytes_are_read_at_offset_and_length_and_become_part_of_the_model()
    {
        var model = Load(("location", "weights.bin"), ("offset", "8"), ("length", "16"), ("checksum", "0"));

        Assert.Equal([2f, 3, 4, 5], model.Graph.Initializer("w")!.ReadFloats());
        Assert.Equal([2f, 3, 4, 5], OnnxModel.Load(model.ToBytes()).Graph.Initializer("w")!.ReadFloats());
    }

    [Fact]
    public void A_link_inside_the_folder_is_followed()
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "link.bin"), Path.Combine(_folder, "weights.bin"));

        Assert.Equal([0f, 1, 2, 3], Load(("location", "link.bin")).Graph.Initializer("w")!.ReadFloats());
    }

    [Theory]
    [InlineData("../outside.bin")]
    [InlineData("sub/../../outside.bin")]
    [InlineData("..\\outside.bin")]
    [InlineData("/etc/hostname")]
    [InlineData("C:\\windows\\system.ini")]
    [InlineData("")]
    [InlineData("missing.bin")]
    [InlineData("file.bin")]
    [InlineData("folder/outside.bin")]
    [InlineData("circle/weights.bin")]
    public void Paths_that_leave_the_folder_or_lead_nowhere_are_refused(string location)
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "file.bin"), Path.Combine(_root, "outside.bin"));
        Directory.CreateSymbolicLink(Path.Combine(_folder, "folder"), _root);
        Directory.CreateSymbolicLink(Path.Combine(_folder, "circle"), Path.Combine(_folder, "circle", "deeper"));

        Refused(("location", location));
    }

    [Theory]
    [InlineData("20", "16")]
    [InlineData("0", "8")]
    [InlineData("0", "4000000000000000000")]
    [InlineData("9223372036854775800", "16")]
    [InlineData("-4", "16")]
    [InlineData("zero", "16")]
    public void Ranges_that_do_not_fit_shape_and_file_are_refused(string offset, string length) =>
        Refused(("location", "weights.bin"), ("offset", offset), ("length", length));

    [Fact]
    public void Unknown_and_repeated_keys_are_refused()
    {
        Refused(("location", "weights.bin"), ("url", "x"));
        Refused(("location", "weights.bin"), ("location", "weights.bin"));
        Refused(("offset", "0"));
    }

    [Fact]
    public void A_model_from_bytes_alone_may_not_refer_to_files() =>
        Assert.Equal("w", Assert.Throws<OnnxException>(() => OnnxModel.Load(Model([("location", "weights.bin")]))).Subject);

    [Fact]
    public void An_enormous_shape_is_refused_before_it_is_allocated()
    {
        var model = ModelProto.Parser.ParseFrom(Model([("location", "weights.bin")]));
        model.Graph.Initializer[0].Dims[0] = 1L << 40;

        Assert.Throws<OnnxException>(() => OnnxModel.Load(model.ToByteArray(), _folder));
    }

    private static byte[] Model((string Key, string Value)[] entries)
    {
        var model = OnnxModelTests.TinyModel();
        var tensor = model.Graph.Initializer[0];
        tensor.ClearRawData();
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
        tensor.ExternalData.AddRange(entries.Select(e => new StringStringEntryProto { Key = e.Key, Value = e.Value }));
        return model.ToByteArray();
    }

    private OnnxModel Load(params (string Key, string Value)[] entries)
    {
        var path = Path.Combine(_folder, "model.onnx");
        File.WriteAllBytes(path, Model(entries));
        return OnnxModel.Load(path);
    }

    private void Refused(params (string Key, string Value)[] entries) => Assert.Throws<OnnxException>(() => Load(entries));
}
