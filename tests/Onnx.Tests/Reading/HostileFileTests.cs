using Google.Protobuf;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx.Tests.Reading;

public sealed class HostileFileTests
{
    [Fact]
    public void A_model_cut_off_anywhere_is_refused()
    {
        var bytes = OnnxModelTests.TinyModel().ToByteArray();
        for (var length = 0; length < bytes.Length; length++)
            Assert.Throws<OnnxException>(() => OnnxModel.Load(bytes.AsSpan(0, length)));
        Assert.Single(OnnxModel.Load(bytes).Graph.Nodes);
    }

    [Theory]
    [InlineData("")]
    [InlineData("hello, this is not a model at all")]
    [InlineData("PK\u0003\u0004 an archive")]
    [InlineData("\u0089PNG\r\n")]
    public void What_is_no_model_is_refused(string content) =>
        Assert.Throws<OnnxException>(() => OnnxModel.Load(System.Text.Encoding.Latin1.GetBytes(content)));

    [Fact]
    public void No_change_of_one_byte_does_more_than_an_onnx_exception()
    {
        var model = OnnxModelTests.TinyModel();
        model.Graph.Node.Insert(0, new Node("Conv", "conv", ["x", "w"], ["c"], NodeAttribute.Ints("pads", 1, 1), NodeAttribute.Int("group", 2)).Proto);
        model.Graph.Node.Add(new Node("Reshape", "r", ["c", "s"], ["z"]).Proto);
        model.Graph.Initializer.Add(Tensor.FromLongs("s", [2, -1]).Proto);
        var bytes = model.ToByteArray();
        for (var i = 0; i < bytes.Length; i++)
            foreach (var flip in new byte[] { 0x01, 0x02, 0x08, 0x40, 0x7f, 0x80, 0xff })
            {
                var changed = bytes.ToArray();
                changed[i] ^= flip;
                ReadsOrRefuses(changed);
            }
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void Random_bytes_in_a_real_model_do_no_more_than_an_onnx_exception(int seed)
    {
        var random = new Random(seed);
        var bytes = File.ReadAllBytes(SampleModels.ResNet14);
        // The graph's structure lies at the front, tensors behind it.
        for (var round = 0; round < 25; round++)
        {
            var changed = bytes.ToArray();
            for (var i = 0; i < 3; i++)
                changed[random.Next(12_000)] = (byte)random.Next(256);
            ReadsOrRefuses(changed);
        }
    }

    [Fact]
    public void A_declared_length_beyond_the_file_is_refused_before_anything_is_allocated()
    {
        // Field 7 (graph), two gigabytes long, and nothing after it.
        byte[] bytes = [0x08, 0x08, 0x3a, 0xff, 0xff, 0xff, 0xff, 0x07];
        OnnxModel? Load() => OnnxModel.Load(bytes);
        Assert.Throws<OnnxException>(Load);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Assert.Throws<OnnxException>(Load);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void More_nodes_than_memory_holds_are_refused_before_the_first_exists()
    {
        // A graph of empty nodes: two bytes each in the file.
        var count = WireCheck.MaxNodes + 1;
        var bytes = new byte[(2 * count) + 6];
        bytes[0] = 0x3a;
        for (var (i, left) = (1, 2 * count); i <= 5; i++, left >>= 7)
            bytes[i] = (byte)((left & 0x7f) | (i < 5 ? 0x80 : 0));
        for (var i = 6; i < bytes.Length; i += 2)
            bytes[i] = 0x0a;
        Assert.Contains("nodes", Refused(bytes).Message, StringComparison.Ordinal);

        var before = GC.GetAllocatedBytesForCurrentThread();
        Refused(bytes);
        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 100_000);
    }

    [Fact]
    public void Bodies_nested_too_deep_are_refused()
    {
        var inner = OnnxModelTests.TinyModel().Graph;
        for (var i = 0; i < 60; i++)
        {
            var node = new NodeProto { OpType = "If", Input = { "x" }, Output = { "y" } };
            node.Attribute.Add(new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = inner });
            inner = OnnxModelTests.TinyModel().Graph;
            inner.Node.Clear();
            inner.Node.Add(node);
        }
        var model = OnnxModelTests.TinyModel();
        model.Graph = inner;

        Assert.Contains("deeper", Refused(model.ToByteArray()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Open_and_overlapping_groups_are_refused_and_closed_ones_kept()
    {
        var bytes = OnnxModelTests.TinyModel().ToByteArray();
        byte[] closed = [.. bytes, 0xa3, 0x06, 0x08, 0x01, 0xa4, 0x06];

        Assert.Equal(closed, OnnxModel.Load(closed).ToBytes());
        Refused([.. bytes, 0xa3, 0x06, 0x08, 0x01]);
        Refused([.. bytes, 0xa3, 0x06, 0xab, 0x06, 0xa4, 0x06, 0xac, 0x06]);
        Refused([.. bytes, 0xa4, 0x06]);
    }

    [Theory]
    [InlineData(6)]
    [InlineData(27)]
    [InlineData(-1)]
    public void Operator_sets_outside_the_range_are_refused(int opset)
    {
        var model = OnnxModelTests.TinyModel();
        model.OpsetImport[0].Version = opset;

        Assert.Contains("operator set", Refused(model.ToByteArray()).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_cycle_is_refused_by_name()
    {
        var model = OnnxModelTests.TinyModel();
        model.Graph.Node.Add(new Node("Add", "first", ["y", "b"], ["a"]).Proto);
        model.Graph.Node.Add(new Node("Relu", "second", ["a"], ["b"]).Proto);

        var exception = Refused(model.ToByteArray());

        Assert.Contains("first", exception.Subject, StringComparison.Ordinal);
        Assert.Contains("cycle", exception.Message, StringComparison.Ordinal);
    }

    private static readonly Dictionary<string, (string Subject, Action<GraphProto> BreakIt)> Broken = new()
    {
        ["two initializers of one name"] = ("initializer 'w'", g => g.Initializer.Add(g.Initializer[0].Clone())),
        ["two inputs of one name"] = ("input 'x'", g => g.Input.Add(g.Input[0].Clone())),
        ["a value computed twice"] = ("node 'again'", g => g.Node.Add(new Node("Relu", "again", ["x"], ["y"]).Proto)),
        ["a computed input"] = ("node 'self'", g => g.Node.Add(new Node("Relu", "self", ["x"], ["x"]).Proto)),
        ["a value from nowhere"] = ("node 'lost'", g => g.Node.Add(new Node("Relu", "lost", ["nowhere"], ["z"]).Proto)),
        ["an output from nowhere"] = ("output 'gone'", g => g.Output.Add(new ValueInfoProto { Name = "gone" })),
        ["bytes that do not fit the shape"] = ("initializer 'w'", g => g.Initializer[0].Dims[0] = 3),
        ["a negative dimension"] = ("initializer 'w'", g => g.Initializer[0].Dims[0] = -2),
        ["an unknown element type"] = ("initializer 'w'", g => g.Initializer[0].DataType = 99),
        ["no data"] = ("initializer 'w'", g => g.Initializer[0].ClearRawData()),
        ["an overflowing shape"] = ("initializer 'w'", g => g.Initializer[0].Dims.Add(long.MaxValue)),
        ["seventy axes"] = ("initializer 'w'", g => g.Initializer[0].Dims.AddRange(Enumerable.Repeat(1L, 70))),
        ["segments"] = ("initializer 'w'", g => g.Initializer[0].Segment = new TensorProto.Types.Segment { Begin = 1, End = 2 }),
    };

    public static TheoryData<string> BrokenGraphs => [.. Broken.Keys];

    [Theory]
    [MemberData(nameof(BrokenGraphs))]
    public void Broken_graphs_and_tensors_are_refused_by_name(string what)
    {
        var model = OnnxModelTests.TinyModel();
        Broken[what].BreakIt(model.Graph);

        Assert.Equal(Broken[what].Subject, Refused(model.ToByteArray()).Subject);
    }

    [Fact]
    public void A_missing_file_is_an_onnx_exception() =>
        Assert.Throws<OnnxException>(() => OnnxModel.Load(Path.Combine(Path.GetTempPath(), Path.GetRandomFileName(), "none.onnx")));

    private static OnnxException Refused(byte[] bytes) => Assert.Throws<OnnxException>(() => OnnxModel.Load(bytes));

    private static void ReadsOrRefuses(byte[] bytes)
    {
        try
        {
            var model = OnnxModel.Load(bytes);
            ModelPartition.Of(model);
            PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
            foreach (var layer in ModelPartition.Of(model).Layers)
                LayerMatrix.Read(layer);
            model.ToBytes();
        }
        catch (OnnxException)
        {
            // Refusing is right; any other exception fails the test.
        }
    }
}
