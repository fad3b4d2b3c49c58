using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Tests;

public sealed class OnnxModelTests
{
    [Fact]
    public void A_real_model_loads_with_its_structure()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);

        Assert.Equal(15, model.Opset);
        Assert.Equal(15, model.Graph.Nodes.Count(n => n.Is("Conv")));
        Assert.Equal(15, model.Graph.Nodes.Count(n => n.Is("BatchNormalization")));
        Assert.Single(model.Graph.Nodes, n => n.Is("Gemm"));
        Assert.Single(model.Graph.Inputs);
        Assert.Equal(model.Graph.Nodes.Count, model.Graph.Nodes.Select(n => n.Name).Distinct().Count());
    }

    [Fact]
    public void Writing_and_reading_again_gives_the_same_bytes()
    {
        var first = OnnxModel.Load(SampleModels.ResNet14).ToBytes();
        var second = OnnxModel.Load(first).ToBytes();

        Assert.Equal(first, second);
    }

    [Fact]
    public void A_clone_is_independent_and_equal()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        var clone = model.Clone();
        Assert.Equal(model.ToBytes(), clone.ToBytes());

        clone.Graph.Nodes[0].SetAttribute(NodeAttribute.Int("group", 7));
        clone.SetMetadata("key", "value");

        Assert.NotEqual(model.ToBytes(), clone.ToBytes());
        Assert.Empty(model.Metadata);
    }

    [Fact]
    public void Unknown_fields_survive_at_every_level_byte_for_byte()
    {
        byte[] unknown = [0xBA, 0x3E, 0x03, 1, 2, 3, 0xC0, 0x3E, 0x96, 0x01];
        var proto = TinyModel();
        var bytes = new[]
        {
            WithUnknown(proto, unknown),
            WithUnknown(proto, unknown, m => m.Graph),
            WithUnknown(proto, unknown, m => m.Graph.Node[0]),
            WithUnknown(proto, unknown, m => m.Graph.Node[0].Attribute[0]),
            WithUnknown(proto, unknown, m => m.Graph.Initializer[0]),
            WithUnknown(proto, unknown, m => m.Graph.Input[0].Type),
        };

        foreach (var model in bytes)
        {
            Assert.True(model.AsSpan().IndexOf(unknown) >= 0);
            Assert.Equal(model, OnnxModel.Load(model).ToBytes());
        }
    }

    [Fact]
    public void Raising_the_operator_set_raises_the_file_version()
    {
        var model = new GraphBuilder(13).BuildWithIdentity();
        model.SetOpset("", 21);

        Assert.Equal(21, model.Opset);
        Assert.Equal(10, model.IrVersion);
    }

    [Fact]
    public void A_node_without_a_name_gets_one_and_repeated_names_become_unique()
    {
        var proto = TinyModel();
        proto.Graph.Node.Add(new NodeProto { OpType = "Relu", Name = "node", Input = { "y" }, Output = { "z" } });
        proto.Graph.Node.Add(new NodeProto { OpType = "Relu", Input = { "y" }, Output = { "v" } });

        var names = OnnxModel.Load(proto.ToByteArray()).Graph.Nodes.Select(n => n.Name);

        Assert.Equal(["node", "node_1", "Relu_2"], names);
    }

    [Fact]
    public void Nodes_out_of_order_are_sorted_and_keep_their_order_otherwise()
    {
        var proto = TinyModel();
        proto.Graph.Node.Insert(0, new NodeProto { OpType = "Relu", Name = "late", Input = { "y" }, Output = { "z" } });
        proto.Graph.Node.Insert(1, new NodeProto { OpType = "Relu", Name = "free", Input = { "x" }, Output = { "v" } });

        var names = OnnxModel.Load(proto.ToByteArray()).Graph.Nodes.Select(n => n.Name);

        Assert.Equal(["free", "node", "late"], names);
    }

    [Fact]
    public void A_model_beyond_two_gigabytes_fails_to_be_written_and_says_so()
    {
        // Content is shared between the tensors, so only one of them takes memory.
        const int Bytes = 1 << 26;
        var large = Tensor.FromBytes("large", ElementType.UInt8, [Bytes], new byte[Bytes]);
        var builder = new GraphBuilder(15);
        builder.Output(builder.Concat(0, Enumerable.Range(0, 33).Select(_ => builder.Constant(large))));

        Assert.Contains("2147483647", Assert.Throws<OnnxException>(() => builder.Build().ToBytes()).Message, StringComparison.Ordinal);
    }

    internal static ModelProto TinyModel()
    {
        var graph = new GraphProto { Name = "g" };
        graph.Input.Add(new GraphValue("x", ElementType.Float32, [-1, 2]).Proto);
        graph.Output.Add(new GraphValue("y", ElementType.Float32, [-1, 2]).Proto);
        graph.Initializer.Add(Tensor.FromFloats("w", [2, 2], [1, 2, 3, 4]).Proto);
        graph.Node.Add(new Node("Gemm", "node", ["x", "w"], ["y"], NodeAttribute.Int("transB", 1)).Proto);
        return new ModelProto { IrVersion = 8, Graph = graph, OpsetImport = { new OperatorSetIdProto { Version = 15 } } };
    }

    private static byte[] WithUnknown(ModelProto model, byte[] unknown, Func<ModelProto, IMessage>? at = null)
    {
        var copy = model.Clone();
        var target = at?.Invoke(copy) ?? copy;
        target.MergeFrom(unknown);
        return copy.ToByteArray();
    }
}
