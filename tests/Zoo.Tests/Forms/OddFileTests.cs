using Google.Protobuf;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Forms;

/// <summary>What real files hold beside plain operators: control flow, functions, foreign domains, clashing and missing names, things that this version does not know.</summary>
public sealed class OddFileTests : IDisposable
{
    /// <summary>One matrix product.</summary>
    private const double Rounding = 1e-6;

    private readonly ModelRun _run = new();

    public void Dispose() => _run.Dispose();

    [Theory]
    [InlineData(11)]
    [InlineData(16)]
    [InlineData(21)]
    public void Bodies_that_read_outer_values_pass_through_and_outer_layers_compress(int opset)
    {
        var bytes = WithIf(opset);
        Expect.Nothing(FileContent.Lost(bytes));
        var expected = _run.Run(bytes, Feeds());

        var model = Prepared(bytes);
        Expect.Nothing(Comparison.BitDifference(expected, _run.Run(model.ToBytes(), Feeds())));
        var partition = ModelPartition.Of(model);
        Assert.Equal(["left alone: layers inside the body of If are not supported"], partition.Unsupported.Select(left => $"left alone: {left.Reason}"));
        var layer = Assert.Single(partition.Layers);

        Assert.Null(Quantize(model, layer).Reason);
        Assert.Equal(21, model.Opset);
        Expect.Nothing(Comparison.Difference(expected, _run.Run(model.ToBytes(), Feeds()), Rounding));
    }

    [Fact]
    public void A_weight_that_a_body_reads_too_stays_for_the_body()
    {
        var proto = ModelProto.Parser.ParseFrom(WithIf(16));
        var inner = proto.Graph.Node.Single(n => n.OpType == "If").Attribute[0].G;
        inner.Node.Single(n => n.OpType == "MatMul").Input[1] = "w";
        var bytes = proto.ToByteArray();
        var expected = _run.Run(bytes, Feeds());

        var model = Prepared(bytes);
        Quantize(model, Assert.Single(ModelPartition.Of(model).Layers));

        Assert.NotNull(model.Graph.Initializer("w"));
        Expect.Nothing(Comparison.Difference(expected, _run.Run(model.ToBytes(), Feeds()), Rounding));
    }

    [Fact]
    public void Functions_and_foreign_operators_are_left_alone_with_their_imports()
    {
        var proto = ModelProto.Parser.ParseFrom(TwoLayers().ToBytes());
        proto.IrVersion = 8;
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "local", Version = 1 });
        proto.OpsetImport.Add(new OperatorSetIdProto { Domain = "com.microsoft", Version = 1 });
        var function = new FunctionProto { Name = "Twice", Domain = "local" };
        function.Input.Add("a");
        function.Output.Add("b");
        function.OpsetImport.Add(new OperatorSetIdProto { Version = 15 });
        function.Node.Add(new NodeProto { OpType = "Add", Input = { "a", "a" }, Output = { "b" } });
        proto.Functions.Add(function);
        proto.Graph.Node.Add(new NodeProto { OpType = "Twice", Domain = "local", Input = { "y" }, Output = { "twice" } });
        proto.Graph.Node.Add(new NodeProto { OpType = "FusedMatMul", Domain = "com.microsoft", Input = { "twice", "w" }, Output = { "z" } });
        proto.Graph.Output[0].Name = "z";
        var bytes = proto.ToByteArray();
        Expect.Nothing(FileContent.Lost(bytes));
        var expected = _run.Run(bytes, Feeds());

        var model = Prepared(bytes);
        var partition = ModelPartition.Of(model);
        Assert.Equal(
            ["layers inside a function of the model are not supported", "the operator com.microsoft.FusedMatMul is not known"],
            partition.Unsupported.Select(left => left.Reason));
        foreach (var layer in partition.Layers.ToList())
            Assert.Contains("functions of its own", Quantize(model, layer).Reason!, StringComparison.Ordinal);

        Assert.Equal(15, model.Opset);
        Assert.Equal(["", "local", "com.microsoft"], model.OpsetImports.Keys);
        Expect.Nothing(Comparison.Difference(expected, _run.Run(model.ToBytes(), Feeds()), Rounding));
    }

    [Fact]
    public void Nodes_without_names_or_with_one_name_and_names_that_new_values_would_take_are_told_apart()
    {
        var proto = ModelProto.Parser.ParseFrom(TwoLayers().ToBytes());
        var weight = proto.Graph.Initializer.Single(t => t.Name == "w");
        foreach (var taken in new[] { "w_quantized", "w_scale", "w_zero_point", "w_dequantized" })
        {
            proto.Graph.Node.Add(new NodeProto { OpType = "Identity", Input = { "y" }, Output = { taken } });
            proto.Graph.Output.Add(new ValueInfoProto(proto.Graph.Output[0]) { Name = taken });
        }

        weight.DocString = "kept";
        var expected = _run.Run(proto.ToByteArray(), Feeds());
        // The runtime itself refuses a name that repeats, so such a file is compared with one whose names are sound.
        foreach (var node in proto.Graph.Node)
            node.Name = node.OpType == "MatMul" ? "same" : "";
        var bytes = proto.ToByteArray();
        Expect.Nothing(FileContent.Lost(bytes));

        var model = OnnxModel.Load(bytes);
        foreach (var layer in ModelPartition.Of(model).Layers.ToList())
            Assert.Null(Quantize(model, layer).Reason);

        Assert.Equal(model.Graph.Nodes.Count, model.Graph.Nodes.Select(n => n.Name).Distinct().Count());
        Expect.Nothing(Comparison.Difference(expected, _run.Run(model.ToBytes(), Feeds()), Rounding));
    }

    [Fact]
    public void What_this_version_does_not_know_is_written_back()
    {
        var proto = ModelProto.Parser.ParseFrom(TwoLayers().ToBytes());
        proto.DocString = "documented";
        proto.ModelVersion = 7;
        proto.MetadataProps.Add(new StringStringEntryProto { Key = "author", Value = "nobody" });
        proto.Graph.DocString = "graph";
        proto.Graph.Input[0].DocString = "input";
        proto.Graph.Initializer[0].DocString = "weight";
        proto.TrainingInfo.Add(new TrainingInfoProto { Algorithm = new GraphProto { Name = "sgd", Output = { new ValueInfoProto { Name = "y" } } } });
        proto.Graph.SparseInitializer.Add(new SparseTensorProto
        {
            Values = new TensorProto { Name = "sparse", DataType = 1, Dims = { 1 }, FloatData = { 3 } },
            Indices = new TensorProto { DataType = 7, Dims = { 1 }, Int64Data = { 2 } },
            Dims = { 5 },
        });
        // No version has a field of this number.
        byte[] unknown = [.. Varint((4000 << 3) | 2), 3, 1, 2, 3];
        byte[] bytes = [.. proto.ToByteArray(), .. unknown];

        Expect.Nothing(FileContent.Lost(bytes));
        Assert.True(OnnxModel.Load(bytes).ToBytes().AsSpan().IndexOf(unknown) > 0);
    }

    [Fact]
    public void Sequences_optional_outputs_and_strings_do_not_stand_in_the_way()
    {
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, 2, 4);
        var product = builder.MatMul(x, builder.Constant(Weight("w", 4, 4)));
        var sequence = builder.Add("SplitToSequence", [product], NodeAttribute.Int("axis", 0));
        var dropped = builder.AddMany("Dropout", [builder.Add("ConcatFromSequence", [sequence], NodeAttribute.Int("axis", 0))], 2)[0];
        builder.Output(builder.Add("Clip", [dropped, "", builder.Scalar(0.5f)]), "y");
        var bytes = builder.Build().ToBytes();
        Expect.Nothing(FileContent.Lost(bytes));
        var expected = _run.Run(bytes, Feeds());

        var model = Prepared(bytes);
        Assert.Null(Quantize(model, Assert.Single(ModelPartition.Of(model).Layers)).Reason);

        Expect.Nothing(Comparison.Difference(expected, _run.Run(model.ToBytes(), Feeds()), Rounding));
    }

    /// <summary>A layer, then an If whose branches read the layer's output and hold operators that changed on the way to 21.</summary>
    private static byte[] WithIf(int opset)
    {
        var builder = new GraphBuilder(opset);
        var x = builder.Input("x", ElementType.Float32, 2, 4);
        var y = builder.MatMul(x, builder.Constant(Weight("w", 4, 4)));
        var condition = builder.Add("Greater", [builder.Reduce("ReduceSum", y, false, 0, 1), builder.Scalar(0)]);
        builder.Output(builder.Add("If", [condition]), "z", ElementType.Float32);
        var proto = ModelProto.Parser.ParseFrom(builder.Build().ToBytes());
        var node = proto.Graph.Node.Single(n => n.OpType == "If");
        node.Attribute.Add(Branch("then_branch", y, opset, isDeep: true));
        node.Attribute.Add(Branch("else_branch", y, opset, isDeep: false));
        return proto.ToByteArray();
    }

    private static AttributeProto Branch(string name, string captured, int opset, bool isDeep)
    {
        var graph = new GraphProto { Name = name };
        graph.Initializer.Add(Weight($"{name}.w", 4, 4).Proto);
        graph.Node.Add(new NodeProto { OpType = "MatMul", Input = { captured, $"{name}.w" }, Output = { $"{name}.product" } });
        graph.Node.Add(Reduction("ReduceMean", $"{name}.product", $"{name}.mean", opset >= 18, graph));
        if (isDeep)
            graph.Node.Add(Reduction("Unsqueeze", $"{name}.mean", $"{name}.wide", opset >= 13, graph));
        var result = isDeep ? $"{name}.wide" : $"{name}.mean";
        graph.Output.Add(new ValueInfoProto { Name = result, Type = new TypeProto { TensorType = new TypeProto.Types.Tensor { ElemType = 1 } } });
        return new AttributeProto { Name = name, Type = AttributeProto.Types.AttributeType.Graph, G = graph };
    }

    private static NodeProto Reduction(string opType, string from, string to, bool axesAreInput, GraphProto graph)
    {
        var node = new NodeProto { OpType = opType, Input = { from }, Output = { to } };
        if (axesAreInput)
        {
            graph.Initializer.Add(Tensor.FromLongs($"{to}.axes", [1]).Proto);
            node.Input.Add($"{to}.axes");
        }
        else
        {
            node.Attribute.Add(NodeAttribute.Ints("axes", 1).Proto);
        }

        return node;
    }

    /// <summary>Two products by one weight.</summary>
    private static OnnxModel TwoLayers()
    {
        var builder = new GraphBuilder(15);
        var weight = builder.Constant(Weight("w", 4, 4));
        var x = builder.Input("x", ElementType.Float32, 2, 4);
        builder.Output(builder.MatMul(builder.Add("Relu", [builder.MatMul(x, weight)]), builder.Constant(Weight("v", 4, 4))), "y", ElementType.Float32, [2, 4]);
        return builder.Build();
    }

    private static OnnxModel Prepared(byte[] bytes)
    {
        var model = OnnxModel.Load(bytes);
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
        return model;
    }

    /// <summary>Eighths on a grid that holds them all, so that nothing is lost.</summary>
    private static QuantizedExport Quantize(OnnxModel model, Layer layer)
    {
        var matrix = LayerMatrix.Read(layer);
        int[] codes = [.. matrix.Select(w => (int)(w * 8) + 8)];
        return QuantizedWeights.Apply(model, layer, codes, [.. Enumerable.Repeat(0.125f, layer.Rows)], [.. Enumerable.Repeat(8, layer.Rows)], bits: 4);
    }

    private static Tensor Weight(string name, params long[] shape)
    {
        var random = new Random(name.Length);
        return Tensor.FromReals(name, ElementType.Float32, shape, [.. Enumerable.Range(0, 16).Select(_ => (random.Next(15) - 7) / 8.0)]);
    }

    private static RandomFeeds Feeds() => new(6);

    private static byte[] Varint(int value)
    {
        var bytes = new List<byte>();
        for (; value >= 128; value >>= 7)
            bytes.Add((byte)(value | 128));
        return [.. bytes, (byte)value];
    }
}
