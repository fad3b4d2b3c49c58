using Orchestrator.Onnx.Export;

namespace Orchestrator.Onnx.Tests.Export;

public sealed class OpsetUpgradeTests
{
    [Theory]
    [InlineData(13)]
    [InlineData(21)]
    public void Attributes_that_became_inputs_are_moved(int target)
    {
        var builder = new GraphBuilder(8);
        var x = builder.Input("x", ElementType.Float32, -1, 4, 6);
        builder.Output(builder.Add("Unsqueeze", [x], NodeAttribute.Ints("axes", 1)));
        builder.Output(builder.Add("ReduceSum", [x], NodeAttribute.Ints("axes", 2)));
        builder.Output(builder.Add("Slice", [x], NodeAttribute.Ints("starts", 1), NodeAttribute.Ints("ends", 3), NodeAttribute.Ints("axes", 2)));
        builder.Output(builder.Add("Pad", [x], NodeAttribute.Ints("pads", 0, 0, 1, 0, 0, 1), NodeAttribute.Float("value", 2)));
        builder.Output(builder.Add("Clip", [x], NodeAttribute.Float("min", 0), NodeAttribute.Float("max", 6)));
        builder.Output(builder.Add("TopK", [x], NodeAttribute.Int("k", 3)));
        builder.Output(builder.Add("Dropout", [x], NodeAttribute.Float("ratio", 0.3f)));
        builder.Output(builder.AddMany("Split", [x], 2, NodeAttribute.Int("axis", 1))[0]);
        var model = builder.Build();

        OpsetUpgrade.Raise(model, target);

        Assert.Equal(target, model.Opset);
        Assert.Equal([1L], Longs(model, "Unsqueeze", 1));
        Assert.Equal([2L], Longs(model, "ReduceSum", 1));
        Assert.Equal([1L, 3, 2], Enumerable.Range(1, 3).SelectMany(i => Longs(model, "Slice", i)));
        Assert.Equal([0L, 0, 1, 0, 0, 1], Longs(model, "Pad", 1));
        Assert.Equal([2f], Input(model, "Pad", 2).ReadFloats());
        Assert.Equal([0f, 6], Enumerable.Range(1, 2).SelectMany(i => Input(model, "Clip", i).ReadFloats()));
        Assert.Equal([3L], Longs(model, "TopK", 1));
        Assert.Empty(model.Graph.Nodes.Where(n => n.OpType is not "Split" and not "ReduceSum" and not "TopK").SelectMany(n => n.AttributeNames));
        Assert.Equal(target >= 18 ? 2 : 0, Node(model, "Split").Int("num_outputs", 0));
        Assert.Equal(model.ToBytes(), OnnxModel.Load(model.ToBytes()).ToBytes());
    }

    [Fact]
    public void Reductions_but_the_sum_keep_their_attribute_until_eighteen()
    {
        var builder = new GraphBuilder(11);
        builder.Output(builder.Add("ReduceMean", [builder.Input("x", ElementType.Float32, -1, 4)], NodeAttribute.Ints("axes", 1)));
        var model = builder.Build();

        OpsetUpgrade.Raise(model, 13);
        Assert.Equal([1L], Node(model, "ReduceMean").Ints("axes")!);

        OpsetUpgrade.Raise(model, 21);
        Assert.Equal([1L], Longs(model, "ReduceMean", 1));
        Assert.False(Node(model, "ReduceMean").HasAttribute("axes"));
    }

    [Fact]
    public void Softmax_over_the_last_axis_names_it_and_elsewhere_flattens()
    {
        var builder = new GraphBuilder(11);
        var x = builder.Input("x", ElementType.Float32, -1, 4, 6);
        builder.Output(builder.Add("Softmax", [x], NodeAttribute.Int("axis", 2)), "last");
        builder.Output(builder.Add("Softmax", [x]), "flat");
        var model = builder.Build();

        OpsetUpgrade.Raise(model, 13);

        Assert.All(model.Graph.Nodes.Where(n => n.Is("Softmax")), n => Assert.Equal(-1, n.Int("axis", 0)));
        Assert.Equal(1, Node(model, "Flatten").Int("axis", 0));
        Assert.Equal(["Softmax", "Identity", "Shape", "Flatten", "Softmax", "Reshape", "Identity"], model.Graph.Nodes.Select(n => n.OpType));
        Assert.Equal(model.Graph.Nodes[4], model.Graph.Producer(Node(model, "Reshape").Inputs[0]));
    }

    [Fact]
    public void Upsample_becomes_a_resize_with_the_old_alignment()
    {
        var builder = new GraphBuilder(9);
        var x = builder.Input("x", ElementType.Float32, -1, 4, 6, 6);
        builder.Output(builder.Add("Upsample", [x, builder.Constant(Tensor.FromFloats("scales", [4], [1, 1, 2, 2]))], NodeAttribute.Text("mode", "nearest")));
        var model = builder.Build();

        OpsetUpgrade.Raise(model, 13);

        var resize = Node(model, "Resize");
        Assert.Equal(["x", "", "scales"], resize.Inputs);
        Assert.Equal(("asymmetric", "floor", "nearest"), (resize.Text("coordinate_transformation_mode", ""), resize.Text("nearest_mode", ""), resize.Text("mode", "")));
    }

    [Fact]
    public void Batch_norms_lose_what_inference_does_not_need()
    {
        var builder = new GraphBuilder(7);
        var x = builder.Input("x", ElementType.Float32, -1, 4, 6, 6);
        string[] parameters = [.. Enumerable.Range(0, 4).Select(i => builder.Constant(Tensor.FromFloats($"p{i}", [4], [1, 2, 3, i])))];
        builder.Output(builder.AddMany("BatchNormalization", [x, .. parameters], 5, NodeAttribute.Int("spatial", 1))[0]);
        var model = builder.Build();

        OpsetUpgrade.Raise(model, 21);

        Assert.Single(Node(model, "BatchNormalization").Outputs);
        Assert.False(Node(model, "BatchNormalization").HasAttribute("spatial"));
    }

    [Theory]
    [InlineData("BatchNormalization", "spatial", 0, 8)]
    [InlineData("AveragePool", "ceil_mode", 1, 18)]
    [InlineData("GroupNormalization", "num_groups", 2, 18)]
    [InlineData("SomethingNew", "axis", 2, 18)]
    public void What_stands_in_the_way_is_named_and_the_model_stays(string opType, string attribute, int value, int opset)
    {
        var builder = new GraphBuilder(opset);
        builder.Output(builder.Add(opType, [builder.Input("x", ElementType.Float32, -1, 4, 6, 6)], NodeAttribute.Int(attribute, value)));
        var model = builder.Build();
        var before = model.ToBytes();

        var blocker = Assert.Single(OpsetUpgrade.FindBlockers(model, 21));

        Assert.Equal(opType, blocker.OpType);
        Assert.Throws<OnnxException>(() => OpsetUpgrade.Raise(model, 21));
        Assert.Equal(before, model.ToBytes());
    }

    [Fact]
    public void A_real_conv_net_crosses_to_twenty_one_unchanged_but_for_the_number()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        var before = model.Graph.Nodes.Select(n => n.ToString()).ToList();

        OpsetUpgrade.Raise(model, 21);

        Assert.Equal(before, model.Graph.Nodes.Select(n => n.ToString()));
        Assert.Equal((21, 10L), (model.Opset, model.IrVersion));
    }

    private static Node Node(OnnxModel model, string opType) => model.Graph.Nodes.First(n => n.Is(opType));

    private static Tensor Input(OnnxModel model, string opType, int index) => model.Graph.Initializer(Node(model, opType).Inputs[index])!;

    private static long[] Longs(OnnxModel model, string opType, int index) => Input(model, opType, index).ReadLongs();
}
