using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Tests;

public sealed class GraphTests
{
    [Fact]
    public void Producers_and_uses_follow_every_edit()
    {
        var graph = Diamond(out var relu, out var add);

        Assert.Equal(relu, graph.Producer("a"));
        Assert.Equal([new ValueUse(add, 0), new ValueUse(add, 1)], graph.Uses("a"));

        add.SetInput(1, "x");
        Assert.Equal([new ValueUse(add, 0)], graph.Uses("a"));
        Assert.Contains(new ValueUse(add, 1), graph.Uses("x"));

        relu.SetOutput(0, "renamed");
        Assert.Null(graph.Producer("a"));
        Assert.Equal(relu, graph.Producer("renamed"));

        graph.ReplaceUses("a", "renamed");
        Assert.Equal(["renamed", "x"], add.Inputs);
        graph.Remove(add);
        Assert.Empty(graph.Uses("renamed"));
        Assert.Null(graph.FindNode(add.Name));
    }

    [Fact]
    public void A_node_added_late_is_written_where_it_is_needed()
    {
        var model = new GraphBuilder(15).BuildWithIdentity();
        var graph = model.Graph;
        var late = graph.Add(new Node("Relu", "late", ["x"], [graph.UniqueName("late_output")]));
        graph.Nodes[0].SetInput(0, late.Output);

        Assert.Equal(["late", "Identity", "y"], OnnxModel.Load(model.ToBytes()).Graph.Nodes.Select(n => n.Name));
    }

    [Fact]
    public void Names_that_are_taken_are_refused_or_made_unique()
    {
        var graph = Diamond(out var relu, out _);

        Assert.Throws<OnnxException>(() => graph.Add(new Node("Relu", "again", ["x"], ["a"])));
        Assert.Throws<OnnxException>(() => graph.AddInitializer(Tensor.FromFloats("x", [1], [1])));
        Assert.Throws<OnnxException>(() => graph.AddInput(new GraphValue("a", ElementType.Float32, [1])));
        Assert.Throws<OnnxException>(() => graph.AddOutput(new GraphValue("nothing", ElementType.Float32, [1])));
        Assert.NotEqual("a", graph.UniqueName("a"));
        Assert.NotEqual(relu.Name, graph.Add(new Node("Relu", relu.Name, ["x"], ["b"])).Name);
    }

    [Fact]
    public void An_optional_input_can_be_left_out_again()
    {
        Diamond(out var relu, out _);
        relu.SetInput(3, "x");
        Assert.Equal(["x", "", "", "x"], relu.Inputs);
        Assert.Null(relu.Input(1));

        relu.SetInput(3, "");
        Assert.Equal(["x"], relu.Inputs);
    }

    [Fact]
    public void Bodies_of_control_flow_count_as_readers_and_follow_a_rename()
    {
        var proto = OnnxModelTests.TinyModel();
        var body = new GraphProto { Name = "body" };
        body.Node.Add(new NodeProto { OpType = "Relu", Name = "inner", Input = { "y" }, Output = { "z" } });
        body.Output.Add(new ValueInfoProto { Name = "z" });
        var branch = new NodeProto { OpType = "If", Name = "if", Input = { "x" }, Output = { "r" } };
        branch.Attribute.Add(new AttributeProto { Name = "then_branch", Type = AttributeProto.Types.AttributeType.Graph, G = body });
        proto.Graph.Node.Add(branch);
        var graph = new OnnxModel(proto).Graph;
        var reader = graph.FindNode("if")!;

        Assert.Equal([new ValueUse(reader, -1)], graph.Uses("y"));
        graph.ReplaceUses("y", "x");
        Assert.Empty(graph.Uses("y"));
        Assert.Equal(["x"], reader.Captured);
        Assert.NotEqual("z", graph.UniqueName("z"));
    }

    [Fact]
    public void Replacing_an_initializer_that_is_an_input_keeps_both_in_step()
    {
        var proto = OnnxModelTests.TinyModel();
        proto.Graph.Input.Add(new GraphValue("w", ElementType.Float32, [2, 2]).Proto);
        var model = new OnnxModel(proto);
        Assert.Equal(["x"], model.Graph.Inputs.Select(i => i.Name));

        model.Graph.ReplaceInitializer("w", Tensor.FromFloats("ignored", [2, 3], new float[6]));
        Assert.Equal([2L, 3], proto.Graph.Input[1].Type.TensorType.Shape.Dim.Select(d => d.DimValue));

        model.Graph.RemoveInitializer("w");
        Assert.Single(proto.Graph.Input);
    }

    [Fact]
    public void Initializers_without_inputs_raise_an_old_file_version()
    {
        var proto = OnnxModelTests.TinyModel();
        proto.IrVersion = 3;

        Assert.Equal(4, OnnxModel.Load(new OnnxModel(proto).ToBytes()).IrVersion);
    }

    private static Graph Diamond(out Node relu, out Node add)
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, 1);
        builder.Output(builder.Identity("x"));
        var graph = builder.Build().Graph;
        relu = graph.Add(new Node("Relu", "relu", ["x"], ["a"]));
        add = graph.Add(new Node("Add", "add", ["a", "a"], ["sum"]));
        return graph;
    }
}
