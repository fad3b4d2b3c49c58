using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Tests.Reconstruction.Activations;

/// <summary>algorithms.md 3.5 and 3.8: what is quantized, in the sample and in graphs whose answer is written down.</summary>
public sealed class ActivationPlacesTests
{
    private const int Bits = 4;

    [Fact]
    public void In_a_residual_network_the_outputs_of_relus_are_quantized_and_the_producer_of_the_classifiers_input_has_8_bits()
    {
        var model = ModelPreparation.Prepare(FashionSample.Model(), BatchNormMode.Fold);
        var partition = ModelPartition.Of(model);
        var (first, last) = (partition.Layers[0], partition.Layers[^1]);
        var places = ActivationPlaces.Of(model, partition, new ActivationSpec(Bits, [new LayerRef(first.Name, 0), new LayerRef(last.Name, 15)]));

        // Each convolution that does not go into an addition, and each addition, has one behind it, and nothing else is quantized.
        Assert.Equal(model.Graph.Nodes.Where(n => n.Is("Relu")).Select(n => n.Output), places.Select(p => p.Value));
        Assert.Equal([8, .. Enumerable.Repeat(Bits, places.Count - 2), 8], places.Select(p => p.Bits));
        Assert.Equal(model.Graph.Producer(places[^1].Value)!.Inputs[0], partition.Blocks.Last(b => b.IsResidual).Output);
        Assert.Equal(places[0].Value, model.Graph.Uses(first.Output).Single().Node.Output);
    }

    [Fact]
    public void A_group_has_what_it_computes_and_all_but_the_first_layers_have_a_group()
    {
        var model = ModelPreparation.Prepare(FashionSample.Model(), BatchNormMode.Fold);
        var partition = ModelPartition.Of(model);
        var spec = new ActivationSpec(Bits, []);
        var all = ActivationPlaces.Of(model, partition, spec);
        var owned = partition.Blocks.SelectMany(b => ActivationPlaces.Within(
            model, partition, GroupBoundary.Of(model, partition, [.. b.Layers.Select(l => l.Name)]), spec)).ToList();

        Assert.Equal(all, owned);
        foreach (var block in partition.Blocks.Where(b => b.IsResidual))
        {
            var boundary = GroupBoundary.Of(model, partition, [.. block.Layers.Select(l => l.Name)]);
            var own = ActivationPlaces.Within(model, partition, boundary, spec);
            Assert.Equal(boundary.Output, own[^1].Value);
            Assert.DoesNotContain(boundary.Inputs[0], own.Select(p => p.Value));
        }
    }

    [Fact]
    public void A_layer_that_only_goes_into_an_addition_and_the_last_one_have_nothing_of_their_own()
    {
        var model = ModelPreparation.Prepare(FashionSample.Model(), BatchNormMode.Fold);
        var partition = ModelPartition.Of(model);
        var spec = new ActivationSpec(Bits, []);

        var inFloat = ActivationPlaces.LayersInFloat(model, partition);

        Assert.Equal(partition.Layers.Select(l => l.Name).Where(n => n.Contains("conv2", StringComparison.Ordinal) || n.Contains("down", StringComparison.Ordinal) || n == "/fc/Gemm"), partition.Layers.Select(l => l.Name).Where(inFloat.Contains));
        Assert.All(partition.Layers, l => Assert.Equal(inFloat.Contains(l.Name), ActivationPlaces.Within(model, partition, GroupBoundary.Of(model, partition, [l.Name]), spec).Count == 0));
        Assert.Equal(inFloat.Order(), ModelOutlines.Of(FashionSample.Model(), "", 0, BatchNormMode.Fold).Layers.Where(l => l.LeavesFloat).Select(l => l.Name).Order());
    }

    [Fact]
    public void What_only_goes_into_an_addition_has_none_and_neither_have_input_and_output()
    {
        var b = new NetBuilder();
        var scaled = b.Op("Mul", b.Input, b.Constant("scale"));
        var first = b.Layer(scaled);
        var branch = b.Layer(b.Op("Relu", first));
        var sum = b.Op("Add", branch, first);
        var twice = b.Op("Add", sum, b.Layer(sum));
        var last = b.Layer(b.Op("Flatten", b.Op("MaxPool1", twice)));
        var places = b.Places(b.Op("Softmax", last));

        Assert.Equal([first, b.Model.Graph.Uses(first).First(u => u.Node.OpType == "Relu").Node.Output, sum, twice], places);
    }

    [Fact]
    public void An_activation_function_in_several_nodes_has_its_grid_behind_it()
    {
        var b = new NetBuilder();
        var swish = b.Layer(b.Input);
        swish = b.Op("Mul", swish, b.Op("Sigmoid", swish));
        var biased = b.Op("Add", b.Layer(swish), b.Constant("bias"));
        var gelu = b.Op("Mul", b.Op("Mul", biased, b.Op("Add", b.Op("Erf", b.Op("Div", biased, b.Constant("root"))), b.Constant("one"))), b.Constant("half"));
        var places = b.Places(b.Layer(gelu));

        Assert.Equal([swish, gelu], places);
    }

    [Fact]
    public void What_enters_a_layer_from_elsewhere_is_quantized_too()
    {
        var b = new NetBuilder();
        var features = b.Op("Relu", b.Layer(b.Input));
        var gate = b.Op("Sigmoid", b.Layer(b.Op("Reshape1", features)));
        var gated = b.Op("Mul", features, gate);
        var places = b.Places(b.Layer(b.Op("Transpose", gated)));

        Assert.Equal([features, gate, gated], places);
    }

    [Fact]
    public void A_value_that_the_network_puts_out_stays_in_float()
    {
        var b = new NetBuilder();
        var first = b.Op("Relu", b.Layer(b.Input));
        b.Output(first);

        Assert.Empty(b.Places(b.Layer(first)));
    }

    /// <summary>Square layers [2 × 2] on [samples, 2]; shapes do not matter to places.</summary>
    private sealed class NetBuilder
    {
        private readonly GraphBuilder _builder = new(17);

        public NetBuilder() => Input = _builder.Input("x", ElementType.Float32, -1, 2);

        public string Input { get; }

        public OnnxModel Model { get; private set; } = null!;

        public string Layer(string input) => _builder.Add("MatMul", [input, _builder.Constant(Tensor.FromFloats("weight", [2, 2], [1, 2, 3, 4]))]);

        public string Constant(string name) => _builder.Constant(Tensor.FromFloats(name, [2], [1, 2]));

        public string Op(string opType, params string[] inputs) => opType switch
        {
            "MaxPool1" => _builder.Add("MaxPool", inputs, NodeAttribute.Ints("kernel_shape", 1)),
            "Reshape1" => _builder.Reshape(inputs[0], -1, 2),
            _ => _builder.Add(opType, inputs),
        };

        public void Output(string value) => _builder.Output(value);

        public IEnumerable<string> Places(string output)
        {
            _builder.Output(output);
            Model = _builder.Build();
            return ActivationPlaces.Of(Model, ModelPartition.Of(Model), new ActivationSpec(Bits, [])).Select(p => p.Value);
        }
    }
}
