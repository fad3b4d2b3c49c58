using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Partition;

public sealed class ModelPartitionTests
{
    [Theory]
    [InlineData(false)]
    [InlineData(true)]
    public void Resnet14_has_its_sixteen_layers(bool fold)
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        PassRunner.Run(model, PassRunner.Preparation(fold));

        var layers = ModelPartition.Of(model).Layers.Select(l => (l.Name, l.Rows, l.Columns, l.Positions));

        Assert.Equal(
            [
                ("/stem/stem.0/Conv", 24, 9, 784L),
                ("/blocks/blocks.0/conv1/Conv", 24, 216, 784),
                ("/blocks/blocks.0/conv2/Conv", 24, 216, 784),
                ("/blocks/blocks.1/conv1/Conv", 24, 216, 784),
                ("/blocks/blocks.1/conv2/Conv", 24, 216, 784),
                ("/blocks/blocks.2/down/down.0/Conv", 48, 24, 196),
                ("/blocks/blocks.2/conv1/Conv", 48, 216, 196),
                ("/blocks/blocks.2/conv2/Conv", 48, 432, 196),
                ("/blocks/blocks.3/conv1/Conv", 48, 432, 196),
                ("/blocks/blocks.3/conv2/Conv", 48, 432, 196),
                ("/blocks/blocks.4/down/down.0/Conv", 96, 48, 49),
                ("/blocks/blocks.4/conv1/Conv", 96, 432, 49),
                ("/blocks/blocks.4/conv2/Conv", 96, 864, 49),
                ("/blocks/blocks.5/conv1/Conv", 96, 864, 49),
                ("/blocks/blocks.5/conv2/Conv", 96, 864, 49),
                ("/fc/Gemm", 10, 96, 1),
            ],
            layers);
    }

    [Fact]
    public void Resnet14_splits_into_its_residual_units_stem_and_classifier()
    {
        var partition = ModelPartition.Of(OnnxModel.Load(SampleModels.ResNet14));

        Assert.Equal(
            [
                ("/stem/stem.0/Conv", false, 1), ("/blocks/blocks.0", true, 2), ("/blocks/blocks.1", true, 2), ("/blocks/blocks.2", true, 3),
                ("/blocks/blocks.3", true, 2), ("/blocks/blocks.4", true, 3), ("/blocks/blocks.5", true, 2), ("/fc/Gemm", false, 1),
            ],
            partition.Blocks.Select(b => (b.Name, b.IsResidual, b.Layers.Count)));
        Assert.Empty(partition.Unsupported);
        Assert.Equal("/stem/stem.2/Relu_output_0", partition.Blocks[1].Input);
        Assert.Equal("/blocks/blocks.0/Add_output_0", partition.Blocks[1].Output);
    }

    [Fact]
    public void A_chain_holds_at_most_three_layers()
    {
        var builder = new GraphBuilder(15);
        var value = builder.Input("x", ElementType.Float32, -1, 2);
        for (var i = 0; i < 5; i++)
            value = builder.Add("Relu", [builder.Gemm(value, Weight(builder, $"w{i}", 2, 2), transB: true)]);
        builder.Output(value);

        Assert.Equal([3, 2], ModelPartition.Of(builder.Build()).Blocks.Select(b => b.Layers.Count));
    }

    [Fact]
    public void An_addition_across_residual_units_does_not_swallow_them()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var outer = builder.Gemm(x, Weight(builder, "w0", 2, 2));
        var unit = builder.Binary("Add", outer, builder.Gemm(outer, Weight(builder, "w1", 2, 2)));
        var last = builder.Gemm(unit, Weight(builder, "w2", 2, 2));
        builder.Output(builder.Binary("Add", last, x));

        var blocks = ModelPartition.Of(builder.Build()).Blocks;

        Assert.Equal([1, 1, 1], blocks.Select(b => b.Layers.Count));
        Assert.Equal([false, true, false], blocks.Select(b => b.IsResidual));
    }

    [Fact]
    public void An_attention_unit_is_one_block_though_its_shapes_are_computed_from_the_input()
    {
        const int Width = 6;
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, -1, 5, Width);
        var mask = builder.Input("mask", ElementType.Float32, 5, 5);
        var shape = builder.Add("Shape", [x]);
        var heads = builder.Concat(0, builder.Slice(shape, 0, 0, 2), builder.Vector(2, 3));
        string Heads(string name) =>
            builder.Transpose(builder.Add("Reshape", [builder.MatMul(x, Weight(builder, name, Width, Width)), heads]), 0, 2, 1, 3);
        var scores = builder.Binary("Add", builder.MatMul(Heads("q1"), builder.Transpose(Heads("k2"), 0, 1, 3, 2)), mask);
        var mixed = builder.MatMul(builder.Add("Softmax", [scores], NodeAttribute.Int("axis", -1)), Heads("v3"));
        var joined = builder.Add("Reshape", [builder.Transpose(mixed, 0, 2, 1, 3), shape]);
        var residual = builder.Binary("Add", x, builder.MatMul(joined, Weight(builder, "o4", Width, Width)));
        builder.Output(builder.MatMul(residual, Weight(builder, "head5", Width, 9)));

        var partition = ModelPartition.Of(builder.Build());

        Assert.Equal([(true, 4), (false, 1)], partition.Blocks.Select(b => (b.IsResidual, b.Layers.Count)));
        Assert.All(partition.Layers, l => Assert.Equal(5, l.Positions));
        Assert.Equal(["q1", "k2", "v3", "o4"], partition.Blocks[0].Layers.Select(l => l.Weight.Storage));
        Assert.Equal(("x", residual), (partition.Blocks[0].Input, partition.Blocks[0].Output));
    }

    [Fact]
    public void A_weight_or_norm_that_is_not_finite_is_found_and_a_mask_with_infinities_is_not()
    {
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var masked = builder.Binary("Add", x, builder.Constant(Tensor.FromFloats("mask", [2], [0, float.NegativeInfinity])));
        var y = builder.Gemm(masked, builder.Constant(Tensor.FromFloats("w", [2, 2], [1, 2, 3, 4])));
        var scale = builder.Constant(Tensor.FromFloats("scale", [2], [1, 1]));
        builder.Output(builder.Add("LayerNormalization", [y, scale]));
        var model = builder.Build();
        Assert.Null(ModelPartition.Of(model).FindNonFinite());

        model.Graph.ReplaceInitializer("scale", Tensor.FromFloats("scale", [2], [1, float.NaN]));
        Assert.Equal("scale", ModelPartition.Of(model).FindNonFinite()!.Value.Tensor.Name);
        model.Graph.ReplaceInitializer("w", Tensor.FromFloats("w", [2, 2], [1, 2, float.PositiveInfinity, 4]));
        Assert.Equal(("Gemm", "w"), (ModelPartition.Of(model).FindNonFinite()!.Value.Node.OpType, ModelPartition.Of(model).FindNonFinite()!.Value.Tensor.Name));
    }

    [Fact]
    public void A_constant_on_either_side_of_a_matmul_is_a_layer_and_two_activations_are_not()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 4, 3);
        var right = builder.MatMul(x, Weight(builder, "right", 3, 5));
        var left = builder.MatMul(Weight(builder, "left", 7, 4), x);
        builder.Output(builder.MatMul(left, builder.Transpose(left, 0, 2, 1)));
        builder.Output(right);

        var layers = ModelPartition.Of(builder.Build()).Layers;

        Assert.Equal([("right", 5, 3, 4L), ("left", 7, 4, 3L)], layers.Select(l => (l.Weight.Storage, l.Rows, l.Columns, l.Positions)));
        Assert.Equal([LayerKind.FeaturesLast, LayerKind.FeaturesBeforeLast], layers.Select(l => l.Kind));
        Assert.Equal("x", layers[1].Input);
    }

    [Fact]
    public void A_weight_that_several_nodes_share_is_one_layer()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var w = Weight(builder, "w", 2, 2);
        var first = builder.Gemm(x, w);
        builder.Output(builder.Gemm(first, builder.Identity(w)));

        var layer = Assert.Single(ModelPartition.Of(builder.Build()).Layers);

        Assert.Equal("Gemm_1", Assert.Single(layer.SharedWith).Name);
        Assert.Equal(2, layer.Positions);
    }

    [Fact]
    public void A_grouped_convolution_counts_the_columns_of_one_group()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 4, 10, 8);
        builder.Output(builder.Add(
            "Conv", [x, Weight(builder, "w", 6, 2, 3, 2)], NodeAttribute.Int("group", 2), NodeAttribute.Ints("strides", 2, 1),
            NodeAttribute.Ints("dilations", 1, 2), NodeAttribute.Ints("pads", 1, 0, 0, 1)));

        var layer = Assert.Single(ModelPartition.Of(builder.Build()).Layers);

        Assert.Equal((6, 12, 2, 6), (layer.Rows, layer.Columns, layer.Groups, layer.KernelPositions));
        Assert.Equal(5 * 7, layer.Positions);
        Assert.Equal(5 * 7 * 6 * 12, layer.Macs);
    }

    [Fact]
    public void What_is_not_supported_is_listed_with_the_reason()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2, 8, 8);
        var up = builder.Add("ConvTranspose", [x, Weight(builder, "up", 2, 2, 2, 2)]);
        var computed = builder.Add("Conv", [x, builder.Binary("Add", Weight(builder, "a", 2, 2, 1, 1), Weight(builder, "b", 2, 2, 1, 1))]);
        var scaled = builder.Add("Gemm", [builder.Reshape(x, -1, 128), Weight(builder, "s", 128, 3)], NodeAttribute.Float("alpha", 0));
        var batched = builder.MatMul(x, Weight(builder, "h", 2, 8, 8));
        var quantized = builder.MatMul(x, builder.Add("DequantizeLinear", [builder.Constant(Tensor.FromCodes("q", ElementType.UInt8, [8, 8], new int[64])), builder.Scalar(1)]));
        var still = builder.Gemm(Weight(builder, "left", 2, 2), Weight(builder, "right", 2, 2));
        var fixedInput = builder.MatMul(builder.Add("Relu", [Weight(builder, "table", 2, 2)]), Weight(builder, "w", 2, 2));
        foreach (var value in new[] { up, computed, scaled, batched, quantized, still, fixedInput })
            builder.Output(value);

        var partition = ModelPartition.Of(builder.Build());

        Assert.Empty(partition.Layers);
        Assert.Equal(
            [
                ("ConvTranspose", "transposed and deformable convolutions are not supported"),
                ("Conv", "its weight is computed, not constant"),
                ("Gemm", "its alpha is 0"),
                ("MatMul", "its weight is not a matrix"),
                ("MatMul", "its weight is quantized already"),
                ("MatMul", "its input does not depend on the model's inputs"),
            ],
            partition.Unsupported.Select(u => (u.Node.OpType, u.Reason)));
    }

    [Fact]
    public void A_weight_in_a_constant_node_and_one_that_is_an_input_too_are_found()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var inNode = builder.Add("Constant", [], NodeAttribute.Constant("value", Tensor.FromFloats("", [2, 2], [1, 2, 3, 4])));
        builder.Output(builder.Gemm(builder.Gemm(x, inNode, transB: true), Weight(builder, "w", 2, 2)));
        var model = builder.Build();
        var proto = Orchestrator.Onnx.Protobuf.ModelProto.Parser.ParseFrom(model.ToBytes());
        proto.Graph.Input.Add(new GraphValue("w", ElementType.Float32, [2, 2]).Proto);

        var layers = ModelPartition.Of(OnnxModel.Load(Google.Protobuf.MessageExtensions.ToByteArray(proto))).Layers;

        Assert.Equal(2, layers.Count);
        Assert.Equal([1f, 2, 3, 4], LayerMatrix.Read(layers[0]));
    }

    private static string Weight(GraphBuilder builder, string name, params long[] shape)
    {
        var count = (int)shape.Aggregate(1L, (a, d) => a * d);
        // Contents differ by name, or equal weights would be shared.
        return builder.Constant(Tensor.FromFloats(name, shape, [.. Enumerable.Range(0, count).Select(i => i + name[^1] * 0.5f)]));
    }
}
