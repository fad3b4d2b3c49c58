using Google.Protobuf;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx.Tests.Reading;

/// <summary>One case an attack that a model file by itself can carry out.</summary>
public sealed class HostileModelTests
{
    /// <summary>Bytes that reading may take beside twice the file (infra/docs/hostile-files.md).</summary>
    private const long AllowedBytes = 256L << 20;

    private static readonly Dictionary<string, (string Cause, Action<ModelProto> Attack)> Attacks = new()
    {
        ["a function that calls itself"] = ("calls itself", m => Functions(m, ("A", ["A"]))),
        ["functions in a circle"] = ("calls itself", m => Functions(m, ("A", ["B"]), ("B", ["C"]), ("C", ["A"]))),
        ["a circle through a body"] = ("calls itself", m =>
        {
            Functions(m, ("A", ["If"]));
            m.Functions[0].Node[0].Attribute.Add(Body(new GraphProto { Node = { new NodeProto { OpType = "A", Domain = "f" } } }));
        }),
        ["functions that double thirty times"] = ("more than 1000000 nodes", m => Functions(m, [.. Enumerable.Range(0, 30).Select(i => ($"F{i}", new[] { $"F{i + 1}", $"F{i + 1}" }))])),
        ["a chain of functions"] = ("deeper than 100", m => Functions(m, [.. Enumerable.Range(0, 200).Select(i => ($"F{i}", new[] { $"F{i + 1}" }))])),
        ["a function defined twice"] = ("twice", m => Functions(m, ("A", []), ("A", []))),
        ["a sparse tensor of a petabyte"] = ("sparse", m => m.Graph.SparseInitializer.Add(Sparse(1L << 50))),
        ["many sparse tensors"] = ("sparse", m => m.Graph.SparseInitializer.AddRange(Enumerable.Range(0, 100).Select(_ => Sparse(1L << 20)))),
        ["a name longer than a path"] = ("at most 4096", m => m.Graph.Node[0].Name = new string('n', 5000)),
        ["a name that moves the cursor"] = ("control character", m => m.Graph.Node[0].Name = "\u001b[2Jnode"),
        ["a name with a zero"] = ("control character", m => m.Graph.Initializer[0].Name = "w\0"),
        ["data in two places"] = ("more than one place", m => m.Graph.Initializer[0].FloatData.Add(1)),
        ["external data and raw data"] = ("more than one place", m => m.Graph.Initializer[0].DataLocation = TensorProto.Types.DataLocation.External),
        ["too many numbers"] = ("holds 5 numbers", m => Typed(m, t => t.FloatData.AddRange([1, 2, 3, 4, 5]))),
        ["numbers in the wrong field"] = ("holds 0 numbers", m => Typed(m, t => t.Int32Data.AddRange([1, 2, 3, 4]))),
        ["strings that are missing"] = ("holds 0 strings", m => Typed(m, t => t.DataType = (int)ElementType.Text)),
        ["elements that overflow"] = ("overflows", m => m.Graph.Initializer[0].Dims.AddRange([1L << 32, 1L << 32])),
        ["no graph"] = ("no graph", m => m.Graph = null),
        ["no operator set"] = ("0 times", m => m.OpsetImport.Clear()),
    };

    public static TheoryData<string> Names => [.. Attacks.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void Is_refused_with_its_cause(string attack)
    {
        var model = OnnxModelTests.TinyModel();
        Attacks[attack].Attack(model);

        var refused = Assert.Throws<OnnxException>(() => OnnxModel.Load(model.ToByteArray()));

        Assert.Contains(Attacks[attack].Cause, refused.Message, StringComparison.Ordinal);
        Assert.NotEmpty(refused.Subject);
    }

    [Fact]
    public void Text_that_is_not_utf8_is_refused()
    {
        var bytes = OnnxModelTests.TinyModel().ToByteArray();
        bytes[bytes.AsSpan().IndexOf("node"u8)] = 0xFF;

        Assert.Contains("UTF-8", Assert.Throws<OnnxException>(() => OnnxModel.Load(bytes)).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void A_message_given_twice_is_refused()
    {
        var model = OnnxModelTests.TinyModel();

        Assert.Contains("twice", Assert.Throws<OnnxException>(() => OnnxModel.Load([.. model.ToByteArray(), .. model.ToByteArray()])).Message, StringComparison.Ordinal);
    }

    [Theory]
    [InlineData("nodes")]
    [InlineData("initializers")]
    [InlineData("inputs")]
    [InlineData("attributes")]
    [InlineData("dimensions")]
    [InlineData("metadata")]
    [InlineData("functions")]
    [InlineData("packed")]
    [InlineData("unknown")]
    [InlineData("operator sets")]
    public void Small_parts_without_end_are_refused_before_they_take_memory(string part)
    {
        const int Bytes = 40 << 20;
        byte[] element = part switch
        {
            "nodes" => Field(7, Field(1)),
            "initializers" => Field(7, Field(5)),
            "inputs" => Field(7, Field(11)),
            "attributes" => Field(7, Field(1, Field(5))),
            "dimensions" => Field(7, Field(11, Field(2, Field(1, Field(2, Field(1)))))),
            "metadata" => Field(14),
            "functions" => Field(25),
            "packed" => Field(7, Field(5, Field(7, new byte[100]))),
            "unknown" => Field(99, [1]),
            _ => Field(8),
        };
        byte[] file = part is "metadata" or "functions" or "unknown" or "operator sets" ? Repeated(element, Bytes) : Nested(element, Bytes);

        var before = GC.GetAllocatedBytesForCurrentThread();
        var refused = Assert.Throws<OnnxException>(() => OnnxModel.Load(file));

        Assert.InRange(GC.GetAllocatedBytesForCurrentThread() - before, 0, 1 << 20);
        Assert.Contains("memory", refused.Message, StringComparison.Ordinal);
        Assert.NotNull(refused.Remedy);
    }

    [Fact]
    public void The_largest_graph_that_passes_stays_within_the_memory_allowed()
    {
        const int Nodes = 100_000;
        var bytes = Chain(Nodes, i => ("Relu", $"v{i}", $"v{i + 1}")).ToByteArray();
        var before = GC.GetTotalMemory(forceFullCollection: true);

        var model = OnnxModel.Load(bytes);

        Assert.Equal(Nodes, model.Graph.Nodes.Count);
        Assert.InRange(GC.GetTotalMemory(forceFullCollection: true) - before, 0, bytes.Length + AllowedBytes);
        GC.KeepAlive(model);
    }

    [Fact]
    public void An_identity_with_a_second_output_stays()
    {
        var model = OnnxModelTests.TinyModel();
        model.Graph.Node[0].Input[1] = "second";
        model.Graph.Node.Insert(0, new NodeProto { OpType = "Identity", Name = "two", Input = { "w" }, Output = { "first", "second" } });
        var loaded = OnnxModel.Load(model.ToByteArray());

        PassRunner.Run(loaded, PassRunner.Preparation(foldBatchNorms: true));

        Assert.NotNull(loaded.Graph.FindNode("two"));
        Assert.Empty(ModelPartition.Of(loaded).Layers);
    }

    [Fact]
    public void Sizes_beyond_any_memory_are_unknown_and_do_not_overflow()
    {
        var model = OnnxModelTests.TinyModel();
        model.Graph.Input[0] = new GraphValue("x", ElementType.Float32, [1, 1L << 40, 1L << 40, 2]).Proto;
        model.Graph.Node.Clear();
        model.Graph.Node.Add(new NodeProto { OpType = "MatMul", Name = "a", Input = { "x", "w" }, Output = { "h" } });
        model.Graph.Node.Add(new NodeProto { OpType = "MatMul", Name = "b", Input = { "h", "w" }, Output = { "y" } });

        var layer = Assert.Single(ModelPartition.Of(OnnxModel.Load(model.ToByteArray())).Layers);

        Assert.Equal((-1L, -1L), (layer.Positions, layer.Macs));
    }

    [Fact]
    public void A_normalization_that_would_overflow_the_weight_is_not_folded()
    {
        var model = OnnxModelTests.TinyModel();
        var graph = model.Graph;
        graph.Initializer.AddRange([
            Tensor.FromFloats("large", [2], [1e30f, 1]).Proto, Tensor.FromFloats("zero", [2], [0, 0]).Proto,
            Tensor.FromFloats("tiny", [2], [1e-30f, 1]).Proto, Tensor.FromFloats("weight", [2, 2], [1e30f, 2, 3, 4]).Proto]);
        graph.Node[0].Input[1] = "weight";
        graph.Node[0].Output[0] = "h";
        graph.Node.Add(new NodeProto { OpType = "BatchNormalization", Name = "norm", Input = { "h", "large", "zero", "zero", "tiny" }, Output = { "y" } });
        var loaded = OnnxModel.Load(model.ToByteArray());

        PassRunner.Run(loaded, PassRunner.Preparation(foldBatchNorms: true));

        Assert.NotNull(loaded.Graph.FindNode("norm"));
        Assert.Null(ModelPartition.Of(loaded).FindNonFinite(t => t.IsFinite()));
    }

    private static readonly Dictionary<string, Func<int, ModelProto>> Squares = new()
    {
        ["nodes of one name"] = n => Renamed(Chain(n, i => ("Relu", $"v{i}", $"v{i + 1}")), "same"),
        ["a chain of identities"] = n => Chain(n, i => ("Identity", $"v{i}", $"v{i + 1}")),
        ["identities side by side"] = n => Chain(n, i => ("Identity", "v0", $"v{i + 1}")),
        ["a ladder of additions"] = n => Chain(n, i => ("Add", $"v{i}", $"v{i + 1}")),
        ["layers that share a weight"] = n => Chain(n, i => ("MatMul", $"v{i}", $"v{i + 1}")),
        ["layers and normalizations that share theirs"] = n => Chain(n, i => (i % 2 == 0 ? "Conv" : "BatchNormalization", $"v{i}", $"v{i + 1}")),
        ["ranks that double"] = n => Chain(n, i => ("Gather", $"v{i}", $"v{i + 1}")),
        ["equal words"] = n =>
        {
            var model = Chain(1, i => ("Relu", $"v{i}", $"v{i + 1}"));
            model.Graph.Initializer.AddRange(Enumerable.Range(0, n).Select(i => new TensorProto
            {
                Name = $"t{i}", DataType = (int)ElementType.Text, Dims = { 1 }, StringData = { ByteString.CopyFromUtf8($"{i}") },
            }));
            return model;
        },
    };

    public static TheoryData<string> SquareNames => [.. Squares.Keys];

    /// <summary>Work that grows with the square of the file takes minutes at this size and is caught by the suite's own limit; allocation is asserted.</summary>
    [Theory]
    [MemberData(nameof(SquareNames))]
    public void Work_grows_with_the_file_not_with_its_square(string what)
    {
        const int Small = 1000;
        const int Large = 20 * Small;
        const double Slack = 3;
        long Allocated(int count)
        {
            var bytes = Squares[what](count).ToByteArray();
            var before = GC.GetAllocatedBytesForCurrentThread();
            var model = OnnxModel.Load(bytes);
            ModelPartition.Of(model).FindNonFinite(t => t.IsFinite());
            PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
            ModelPartition.Of(model);
            model.ToBytes();
            return GC.GetAllocatedBytesForCurrentThread() - before;
        }

        Allocated(Small);
        var (small, large) = (Allocated(Small), Allocated(Large));

        Assert.True(large <= Slack * Large / Small * small, $"{small} bytes for {Small}, {large} for {Large}");
    }

    private static ModelProto Chain(int nodes, Func<int, (string OpType, string Input, string Output)> node)
    {
        var model = OnnxModelTests.TinyModel();
        var graph = model.Graph;
        graph.Node.Clear();
        graph.Input[0].Name = "v0";
        graph.Initializer.Add(Tensor.FromFloats("k", [1, 1, 1], [1f]).Proto);
        graph.Initializer.Add(Tensor.FromFloats("g", [1], [1f]).Proto);
        for (var i = 0; i < nodes; i++)
        {
            var (opType, input, output) = node(i);
            var added = new NodeProto { OpType = opType, Input = { input }, Output = { output } };
            added.Input.AddRange(opType switch
            {
                "Add" or "Gather" => [input],
                "MatMul" => ["w"],
                "Conv" => ["k"],
                "BatchNormalization" => ["g", "g", "g", "g"],
                _ => Array.Empty<string>(),
            });
            graph.Node.Add(added);
        }
        graph.Output[0].Name = $"v{nodes}";
        return model;
    }

    private static ModelProto Renamed(ModelProto model, string name)
    {
        foreach (var node in model.Graph.Node)
            node.Name = name;
        return model;
    }

    private static void Functions(ModelProto model, params (string Name, string[] Calls)[] functions)
    {
        model.OpsetImport.Add(new OperatorSetIdProto { Domain = "f", Version = 1 });
        foreach (var (name, calls) in functions)
        {
            var function = new FunctionProto { Name = name, Domain = "f" };
            function.Node.AddRange(calls.Select(c => new NodeProto { OpType = c, Domain = "f" }));
            model.Functions.Add(function);
        }
    }

    private static AttributeProto Body(GraphProto graph) => new() { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = graph };

    private static SparseTensorProto Sparse(long size) => new()
    {
        Values = new TensorProto { DataType = 1, Dims = { 1 }, FloatData = { 1 } },
        Indices = new TensorProto { DataType = 7, Dims = { 1 }, Int64Data = { 0 } },
        Dims = { size, 1 },
    };

    private static void Typed(ModelProto model, Action<TensorProto> fill)
    {
        model.Graph.Initializer[0].ClearRawData();
        fill(model.Graph.Initializer[0]);
    }

    /// <summary>One graph that holds what <paramref name="graph"/>'s graph holds, again and again.</summary>
    private static byte[] Nested(byte[] graph, int bytes)
    {
        var inner = graph.AsSpan(2);
        var copies = bytes / inner.Length;
        return Field(7, Repeated(inner, copies * inner.Length));
    }

    private static byte[] Repeated(ReadOnlySpan<byte> element, int bytes)
    {
        var all = new byte[bytes / element.Length * element.Length];
        for (var at = 0; at < all.Length; at += element.Length)
            element.CopyTo(all.AsSpan(at));
        return all;
    }

    private static byte[] Field(int number, params ReadOnlySpan<byte> content)
    {
        using var stream = new MemoryStream();
        using var output = new CodedOutputStream(stream);
        output.WriteTag(number, WireFormat.WireType.LengthDelimited);
        output.WriteBytes(ByteString.CopyFrom(content));
        output.Flush();
        return stream.ToArray();
    }
}
