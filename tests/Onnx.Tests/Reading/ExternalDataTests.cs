using System.Diagnostics;
using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

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
    [InlineData("./../outside.bin")]
    [InlineData("model//weights.bin")]
    [InlineData("\\\\server\\share\\weights.bin")]
    [InlineData("//server/share/weights.bin")]
    [InlineData("file:///etc/hostname")]
    [InlineData("C:weights.bin")]
    [InlineData("weights.bin:stream")]
    [InlineData("weights.bin\0.onnx")]
    [InlineData("weights\u001b[2J.bin")]
    [InlineData("WEIGHTS.BIN")]
    [InlineData("weights.bin.")]
    [InlineData("weights.bin ")]
    [InlineData("NUL")]
    [InlineData("aux.bin")]
    [InlineData("sub/com1")]
    [InlineData("/dev/zero")]
    [InlineData("~/weights.bin")]
    [InlineData("$HOME/weights.bin")]
    public void Paths_that_leave_the_folder_or_lead_nowhere_are_refused(string location)
    {
        File.CreateSymbolicLink(Path.Combine(_folder, "file.bin"), Path.Combine(_root, "outside.bin"));
        Directory.CreateSymbolicLink(Path.Combine(_folder, "folder"), _root);
        Directory.CreateSymbolicLink(Path.Combine(_folder, "circle"), Path.Combine(_folder, "circle", "deeper"));

        Refused(("location", location));
    }

    [Fact]
    public void A_file_with_a_second_name_elsewhere_is_refused()
    {
        Start("ln", Path.Combine(_root, "outside.bin"), Path.Combine(_folder, "hard.bin"));

        Assert.Contains("hard link", Refused(("location", "hard.bin")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Pipes_devices_and_folders_are_refused_without_waiting()
    {
        Start("mkfifo", Path.Combine(_folder, "pipe.bin"));
        Directory.CreateDirectory(Path.Combine(_folder, "folder.bin"));
        File.CreateSymbolicLink(Path.Combine(_folder, "zero.bin"), "/dev/zero");

        Assert.Contains("a pipe", Refused(("location", "pipe.bin")).Message, StringComparison.Ordinal);
        Assert.Contains("a folder", Refused(("location", "folder.bin")).Message, StringComparison.Ordinal);
        Assert.Contains("leaves the model's folder", Refused(("location", "zero.bin")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_model_that_is_a_pipe_a_device_or_a_folder_is_refused_without_waiting()
    {
        var pipe = Path.Combine(_folder, "model.pipe");
        Start("mkfifo", pipe);

        Assert.Contains("a pipe", Assert.Throws<OnnxException>(() => OnnxModel.Load(pipe)).Message, StringComparison.Ordinal);
        Assert.Contains("a device", Assert.Throws<OnnxException>(() => OnnxModel.Load("/dev/zero")).Message, StringComparison.Ordinal);
        Assert.Contains("a folder", Assert.Throws<OnnxException>(() => OnnxModel.Load(_folder)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void The_size_of_a_file_full_of_holes_buys_nothing()
    {
        const long Tebibytes = 8L << 40;
        using (var file = File.Create(Path.Combine(_folder, "holes.bin")))
            file.SetLength(Tebibytes);
        var before = GC.GetAllocatedBytesForCurrentThread();

        Refused(("location", "holes.bin"), ("offset", "0"), ("length", $"{Tebibytes}"));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Equal([0f, 0, 0, 0], Load(("location", "holes.bin"), ("offset", "4398046511104")).Graph.Initializer("w")!.ReadFloats());
    }

    [Fact]
    public void Tensors_may_share_a_part_of_a_file_but_not_overlap()
    {
        OnnxModel Two(string offset)
        {
            var model = ModelProto.Parser.ParseFrom(Model([("location", "weights.bin"), ("offset", "0")]));
            var other = model.Graph.Initializer[0].Clone();
            other.Name = "other";
            other.ExternalData[1].Value = offset;
            model.Graph.Initializer.Add(other);
            return OnnxModel.Load(model.ToByteArray(), _folder);
        }

        Assert.Equal([0f, 1, 2, 3], Two("0").Graph.Initializer("other")!.ReadFloats());
        Assert.Equal([4f, 5, 6, 7], Two("16").Graph.Initializer("other")!.ReadFloats());
        Assert.Contains("overlapping", Assert.Throws<OnnxException>(() => Two("4")).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_file_that_is_exchanged_after_the_look_is_not_used()
    {
        var path = Path.Combine(_folder, "weights.bin");
        var real = ExternalPath.Resolve("w", _folder, "weights.bin");
        File.Delete(path);
        File.CreateSymbolicLink(path, Path.Combine(_root, "outside.bin"));

        using var opened = RegularFile.Open(real);

        Assert.Contains("exchanged", Assert.Throws<OnnxException>(() => ExternalPath.CheckOpened("w", real, opened)).Message, StringComparison.Ordinal);
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

    private OnnxException Refused(params (string Key, string Value)[] entries) => Assert.Throws<OnnxException>(() => Load(entries));

    private static void Start(string command, params string[] arguments)
    {
        using var process = Process.Start(command, arguments);
        process.WaitForExit();
        Assert.Equal(0, process.ExitCode);
    }
}
