namespace Orchestrator.Onnx.Tests;

public sealed class GraphBuilderTests
{
    [Fact]
    public void Extracting_a_value_keeps_only_what_computes_it()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        const string Value = "/blocks/blocks.0/Relu_output_0";

        var builder = GraphBuilder.Extract(model, Value);
        builder.Output(builder.Reduce("ReduceSum", Value, false, 0, 2, 3), "sums");
        var part = OnnxModel.Load(builder.Build().ToBytes());

        Assert.Equal(
            ["Conv", "BatchNormalization", "Relu", "Conv", "BatchNormalization", "Relu", "ReduceSum", "Identity"],
            part.Graph.Nodes.Select(n => n.OpType));
        Assert.Equal(["input"], part.Graph.Inputs.Select(i => i.Name));
        Assert.Equal(["sums"], part.Graph.Outputs.Select(o => o.Name));
        Assert.DoesNotContain(part.Graph.Initializers, t => t.Name.StartsWith("blocks.1", StringComparison.Ordinal));
        Assert.Equal(54, model.Graph.Nodes.Count);
    }

    [Fact]
    public void Extending_leaves_the_model_as_it_was()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        var before = model.ToBytes();

        var builder = GraphBuilder.Extend(model);
        builder.Output("/Flatten_output_0");
        var extended = OnnxModel.Load(builder.Build().ToBytes());

        Assert.Equal(["logits", "/Flatten_output_0"], extended.Graph.Outputs.Select(o => o.Name));
        Assert.Equal(before, model.ToBytes());
    }

    [Theory]
    [InlineData(9)]
    [InlineData(12)]
    [InlineData(18)]
    public void Operators_take_the_form_of_their_operator_set(int opset)
    {
        var builder = new GraphBuilder(opset);
        var x = builder.Input("x", ElementType.Float32, 1, 2, 6);
        builder.Output(builder.Unsqueeze(x, 0));
        builder.Output(builder.Reduce("ReduceMean", x, true, 1));
        builder.Output(builder.Pad(x, [0, 0, 1, 0, 0, 1]));
        builder.Output(builder.Slice(x, 2, 0, 6, 2));
        var nodes = builder.Build().Graph.Nodes;

        Assert.Equal(opset >= 13, nodes.First(n => n.Is("Unsqueeze")).Inputs.Count == 2);
        Assert.Equal(opset >= 18, nodes.First(n => n.Is("ReduceMean")).Inputs.Count == 2);
        Assert.Equal(opset >= 11, nodes.First(n => n.Is("Pad")).Inputs.Count == 2);
        Assert.Equal(opset >= 10 ? "Slice" : "Gather", nodes[^1].OpType);
    }

    [Fact]
    public void A_value_that_does_not_exist_and_a_graph_without_outputs_are_refused()
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, 1);

        Assert.Throws<OnnxException>(() => builder.Add("Relu", ["y"]));
        Assert.Throws<OnnxException>(() => builder.Output("y"));
        Assert.Throws<OnnxException>(builder.Build);
        Assert.Throws<OnnxException>(() => GraphBuilder.Extract(OnnxModel.Load(SampleModels.ResNet14), "nothing"));
    }

    [Fact]
    public void Constants_of_one_name_live_side_by_side()
    {
        var builder = new GraphBuilder(15);
        var (a, b) = (builder.Vector(1, 2), builder.Vector(3));
        builder.Output(builder.Concat(0, a, b), "all");

        var model = OnnxModel.Load(builder.Build().ToBytes());

        Assert.NotEqual(a, b);
        Assert.Equal([3L], model.Graph.Initializer(b)!.ReadLongs());
    }
}
