using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Passes;

public sealed class PassRunnerTests
{
    [Fact]
    public void Identities_go_and_graph_outputs_keep_their_names()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var relu = builder.Add("Relu", [builder.Identity(builder.Identity(x))]);
        builder.Output(relu, "y");
        builder.Output(builder.Add("Neg", [relu]), "z");
        builder.Output(x, "through");
        var model = builder.Build();

        var run = Assert.Single(PassRunner.Run(model, new RemoveIdentities()));

        Assert.Equal(PassEffect.Nodes, run.Effect);
        Assert.Equal(["Relu", "Neg", "Identity"], model.Graph.Nodes.Select(n => n.OpType));
        Assert.Equal(["y", "z", "through"], model.Graph.Outputs.Select(o => o.Name));
        Assert.Equal("y", model.Graph.FindNode("Neg")!.Inputs[0]);
        Assert.False(Assert.Single(PassRunner.Run(model, new RemoveIdentities())).Changed);
    }

    [Fact]
    public void Equal_constants_become_one_wherever_they_are_stored()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var a = builder.Constant(Tensor.FromFloats("a", [2], [1, 2]));
        var same = builder.Constant(Tensor.FromFloats("b", [2], [1, 2]));
        var shaped = builder.Constant(Tensor.FromFloats("c", [1, 2], [1, 2]));
        var node = builder.Add("Constant", [], NodeAttribute.Constant("value", Tensor.FromFloats("", [2], [1, 2])));
        foreach (var constant in new[] { a, same, shaped, node })
            builder.Output(builder.Binary("Add", x, constant));
        var model = builder.Build();

        PassRunner.Run(model, new DeduplicateConstants());

        Assert.Equal(["a", "c"], model.Graph.Initializers.Select(t => t.Name));
        Assert.Equal(["a", "a", "c", "a"], model.Graph.Nodes.Select(n => n.Inputs[1]));
    }

    [Fact]
    public void Dead_code_goes_and_inputs_stay()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        builder.Input("unused", ElementType.Float32, -1, 2);
        builder.Binary("Add", builder.Add("Relu", [x]), builder.Scalar(3));
        builder.Output(builder.Add("Neg", [x]));
        var model = builder.Build();

        PassRunner.Run(model, new RemoveDeadCode());

        Assert.Equal(["Neg"], model.Graph.Nodes.Select(n => n.OpType));
        Assert.Empty(model.Graph.Initializers);
        Assert.Equal(["x", "unused"], model.Graph.Inputs.Select(i => i.Name));
    }

    public static TheoryData<string> Liars => ["does more", "says nothing", "says too much", "breaks the graph", "changes the interface", "rounds weights"];

    [Theory]
    [MemberData(nameof(Liars))]
    public void A_pass_that_breaks_its_word_is_stopped_by_name(string how)
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        builder.Output(builder.Binary("Add", builder.Add("Relu", [x]), builder.Constant(Tensor.FromFloats("c", [2], [1, 2]))), "y");
        var liar = how switch
        {
            "does more" => new Liar(PassEffect.Constants, true, g => g.ReplaceUses(g.Nodes[0].Output, "x")),
            "says nothing" => new Liar(PassEffect.Nodes, false, g => g.ReplaceUses(g.Nodes[0].Output, "x")),
            "says too much" => new Liar(PassEffect.Nodes, true, _ => { }),
            "breaks the graph" => new Liar(PassEffect.Nodes, true, g => g.Remove(g.Nodes[0])),
            "changes the interface" => new Liar(PassEffect.Nodes | PassEffect.Constants, true, g => g.AddOutput(new GraphValue(g.Nodes[0].Output, ElementType.Float32, null))),
            _ => new Liar(PassEffect.Nodes | PassEffect.Constants, true, g => g.ReplaceInitializer("c", Tensor.FromFloats("c", [2], [1, 3]))),
        };

        var exception = Assert.Throws<OnnxException>(() => PassRunner.Run(builder.Build(), new RemoveDeadCode(), liar));

        Assert.Equal("pass 'liar'", exception.Subject);
        Assert.Contains("remove-dead-code", exception.Message, StringComparison.Ordinal);
    }

    private sealed class Liar(PassEffect effect, bool claims, Action<Graph> act) : IPass
    {
        public string Name => "liar";

        public PassEffect Effect => effect;

        public bool Run(OnnxModel model)
        {
            act(model.Graph);
            return claims;
        }
    }
}
