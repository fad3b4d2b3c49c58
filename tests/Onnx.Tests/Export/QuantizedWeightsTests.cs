using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Export;

public sealed class QuantizedWeightsTests
{
    [Theory]
    [InlineData(2, ElementType.UInt4, 21)]
    [InlineData(3, ElementType.UInt4, 21)]
    [InlineData(4, ElementType.UInt4, 21)]
    [InlineData(5, ElementType.UInt8, 15)]
    [InlineData(8, ElementType.UInt8, 15)]
    public void Every_layer_of_resnet14_is_stored_as_narrow_as_onnx_allows(int bits, ElementType type, int opset)
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: false));
        var expected = new Dictionary<string, float[]>();
        foreach (var layer in ModelPartition.Of(model).Layers)
        {
            var (codes, scales, zeros) = Grid(layer, bits);
            expected[layer.Name] = QuantizedWeights.Dequantize(codes, scales, zeros);
            Assert.Equal(new QuantizedExport(layer.Name, bits, type, null), QuantizedWeights.Apply(model, layer, codes, scales, zeros, bits));
        }

        var written = OnnxModel.Load(model.ToBytes());

        Assert.Equal(opset, written.Opset);
        Assert.Equal(16, written.Graph.Nodes.Count(n => n.Is("DequantizeLinear")));
        Assert.DoesNotContain(written.Graph.Initializers, t => t.ElementType == ElementType.Float32 && t.Shape.Count > 1);
        foreach (var (name, weights) in expected)
            Assert.Equal(weights, Dequantized(written.Graph, written.Graph.FindNode(name)!, 1));
    }

    [Theory]
    [InlineData(true, 0)]
    [InlineData(false, 1)]
    public void The_axis_follows_the_orientation_of_the_stored_weight(bool transB, int axis)
    {
        var (model, layer) = Gemm(transB);
        int[] codes = [0, 1, 2, 3, 7, 15];

        QuantizedWeights.Apply(model, layer, codes, [0.5f, 2], [1, 15], 4);

        var node = model.Graph.Producer(layer.Node.Inputs[1])!;
        Assert.Equal(axis, node.Int("axis", -9));
        var values = Dequantized(model.Graph, layer.Node, 1);
        float[] rows = [-0.5f, 0, 0.5f, -24, -16, 0];
        Assert.Equal(transB ? rows : [rows[0], rows[3], rows[1], rows[4], rows[2], rows[5]], values);
    }

    [Fact]
    public void Four_bit_codes_are_stored_in_eight_where_an_operator_blocks_the_newer_set()
    {
        var (model, layer) = Gemm(true, opset: 18, b => b.Add("GroupNormalization", ["x3", b.Add("Relu", [b.Scalar(1)]), b.Scalar(0)], NodeAttribute.Int("num_groups", 1)));

        var export = QuantizedWeights.Apply(model, layer, [0, 1, 2, 3, 4, 5], [1, 1], [0, 3], 4);

        Assert.Equal(ElementType.UInt8, export.StoredAs);
        Assert.Contains("GroupNormalization", export.Reason, StringComparison.Ordinal);
        Assert.Equal(18, model.Opset);
        Assert.Equal([0f, 1, 2, 0, 1, 2], Dequantized(model.Graph, layer.Node, 1));
    }

    [Fact]
    public void A_layer_stays_in_float_on_its_grid_where_even_thirteen_is_blocked()
    {
        var (model, layer) = Gemm(true, opset: 9, b => b.Add("NotInTheTable", ["x3"]));

        var export = QuantizedWeights.Apply(model, layer, [0, 1, 2, 3, 4, 5], [0.5f, 1], [0, 3], 8);

        Assert.Equal(ElementType.Float32, export.StoredAs);
        Assert.Contains("NotInTheTable", export.Reason, StringComparison.Ordinal);
        Assert.Equal(9, model.Opset);
        Assert.Equal([0f, 0.5f, 1, 0, 1, 2], model.Graph.Initializer("w")!.ReadFloats());
    }

    [Fact]
    public void Zero_points_outside_the_type_move_the_row_or_widen_the_storage()
    {
        var (model, layer) = Gemm(true);
        Assert.Equal(ElementType.UInt4, QuantizedWeights.Apply(model, layer, [0, 1, 2, 3, 4, 5], [1, 1], [-7, 12], 3).StoredAs);
        Assert.Equal([7f, 8, 9, -9, -8, -7], Dequantized(model.Graph, layer.Node, 1));

        (model, layer) = Gemm(true);
        var export = QuantizedWeights.Apply(model, layer, [0, 1, 15, 3, 4, 5], [1, 1], [-7, 12], 4);
        Assert.Equal(ElementType.UInt8, export.StoredAs);
        Assert.Contains("exceed", export.Reason, StringComparison.Ordinal);
        Assert.Equal([7f, 8, 22, -9, -8, -7], Dequantized(model.Graph, layer.Node, 1));
    }

    [Fact]
    public void Nodes_that_share_a_weight_share_its_codes_and_the_float_weight_goes()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, -1, 2);
        var w = builder.Constant(Tensor.FromFloats("w", [2, 2], [1, 2, 3, 4]));
        builder.Output(builder.Gemm(builder.Gemm(x, w), builder.Identity(builder.Identity(w))));
        var model = builder.Build();

        QuantizedWeights.Apply(model, ModelPartition.Of(model).Layers[0], [1, 2, 3, 0], [1, 1], [0, 0], 2);

        Assert.Single(model.Graph.Nodes, n => n.Is("DequantizeLinear"));
        Assert.DoesNotContain(model.Graph.Nodes, n => n.Is("Identity"));
        Assert.Null(model.Graph.Initializer("w"));
        Assert.Equal(model.ToBytes(), OnnxModel.Load(model.ToBytes()).ToBytes());
    }

    [Fact]
    public void A_half_precision_layer_gets_its_own_type_back()
    {
        var builder = new GraphBuilder(19);
        var x = builder.Input("x", ElementType.Float16, -1, 2);
        builder.Output(builder.MatMul(x, builder.Constant(Tensor.FromReals("w", ElementType.Float16, [2, 1], [1, 2]))));
        var model = builder.Build();
        var layer = ModelPartition.Of(model).Layers[0];

        QuantizedWeights.Apply(model, layer, [1, 2], [1], [0], 8);

        var cast = model.Graph.Producer(layer.Node.Inputs[1])!;
        Assert.Equal(("Cast", (long)ElementType.Float16), (cast.OpType, cast.Int("to", 0)));
    }

    [Fact]
    public void Sizes_scales_and_bits_are_checked()
    {
        var (model, layer) = Gemm(true);

        Assert.Throws<OnnxException>(() => QuantizedWeights.Apply(model, layer, [0], [1, 1], [0, 0], 4));
        Assert.Throws<OnnxException>(() => QuantizedWeights.Apply(model, layer, new int[6], [1, float.NaN], [0, 0], 4));
        Assert.Throws<OnnxException>(() => QuantizedWeights.Apply(model, layer, new int[6], [1, 1], [0, 0], 9));
    }

    private static (int[] Codes, float[] Scales, int[] Zeros) Grid(Layer layer, int bits)
    {
        var (matrix, top) = (LayerMatrix.Read(layer), (1 << bits) - 1);
        var (codes, scales, zeros) = (new int[matrix.Length], new float[layer.Rows], new int[layer.Rows]);
        for (var row = 0; row < layer.Rows; row++)
        {
            var weights = matrix.AsSpan(row * layer.Columns, layer.Columns);
            var (min, max) = (Math.Min(0, weights.ToArray().Min()), Math.Max(0, weights.ToArray().Max()));
            scales[row] = (max - min) / top;
            zeros[row] = (int)Math.Round(-min / scales[row]);
            for (var i = 0; i < weights.Length; i++)
                codes[(row * layer.Columns) + i] = Math.Clamp((int)Math.Round(weights[i] / scales[row]) + zeros[row], 0, top);
        }
        return (codes, scales, zeros);
    }

    /// <summary>What a runtime makes of the DequantizeLinear before a node's input.</summary>
    private static float[] Dequantized(Graph graph, Node reader, int input)
    {
        var node = graph.Producer(reader.Inputs[input])!;
        var (codes, scales, zeros) = (graph.Initializer(node.Inputs[0])!, graph.Initializer(node.Inputs[1])!.ReadFloats(), graph.Initializer(node.Inputs[2])!.ReadLongs());
        var inner = codes.Shape.Skip((int)node.Int("axis", 1) + 1).Aggregate(1L, (a, d) => a * d);
        return [.. codes.ReadLongs().Select((q, i) => (q - zeros[i / inner % scales.Length]) * scales[i / inner % scales.Length])];
    }

    private static (OnnxModel Model, Layer Layer) Gemm(bool transB, int opset = 15, Action<GraphBuilder>? more = null)
    {
        var builder = new GraphBuilder(opset);
        var x = builder.Input("x", ElementType.Float32, -1, 3);
        builder.Input("x3", ElementType.Float32, -1, 3, 4);
        builder.Output(builder.Gemm(x, builder.Constant(Tensor.FromFloats("w", transB ? [2, 3] : [3, 2], new float[6])), transB: transB));
        more?.Invoke(builder);
        var model = builder.Build();
        return (model, ModelPartition.Of(model).Layers[0]);
    }
}
