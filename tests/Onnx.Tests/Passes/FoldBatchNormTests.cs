using Orchestrator.Onnx.Passes;

namespace Orchestrator.Onnx.Tests.Passes;

/// <summary>The fold against the unfolded layers, computed by hand in double. Equality of whole models in ONNX Runtime is checked in Compression.Tests.</summary>
public sealed class FoldBatchNormTests
{
    /// <summary>Folded weights are stored as float32: 24 bits, a few of them lost in sums of up to ten terms.</summary>
    private const double Tolerance = 2e-6;

    private static readonly float[] Gamma = [1.5f, -0.5f, 2f, 0.75f];
    private static readonly float[] Beta = [0.1f, 0.2f, -0.3f, 0f];
    private static readonly float[] Mean = [0.5f, -1f, 0.25f, 2f];
    private static readonly float[] Variance = [0.8f, 1.2f, 0.01f, 4f];

    [Theory]
    [InlineData("Conv", 1, true)]
    [InlineData("Conv", 2, false)]
    [InlineData("ConvTranspose", 1, true)]
    [InlineData("ConvTranspose", 2, false)]
    public void A_convolution_over_one_pixel_computes_the_same_when_folded(string opType, int groups, bool hasBias)
    {
        const int Channels = 4;
        long[] shape = [Channels, Channels / groups, 1, 1];
        var weight = Random(shape.Aggregate(1L, (a, d) => a * d), 1);
        var bias = Random(Channels, 2);
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, 1, Channels, 1, 1);
        List<string> inputs = [x, builder.Constant(Tensor.FromFloats("w", shape, weight))];
        if (hasBias)
            inputs.Add(builder.Constant(Tensor.FromFloats("b", [Channels], bias)));
        var y = Norm(builder, builder.Add(opType, inputs, NodeAttribute.Int("group", groups)));
        builder.Output(y);
        var model = builder.Build();
        var input = Random(Channels, 3);
        var expected = Normalized(Pointwise(opType, input, weight, hasBias ? bias : new float[Channels], groups));

        PassRunner.Run(model, new FoldBatchNorm(), new RemoveDeadCode());

        var node = Assert.Single(model.Graph.Nodes);
        Assert.Equal(y, node.Output);
        Assert.Equal(2, model.Graph.Initializers.Count);
        var folded = model.Graph.Initializer(node.Inputs[1])!.ReadFloats();
        AssertClose(expected, Pointwise(opType, input, folded, model.Graph.Initializer(node.Inputs[2])!.ReadFloats(), groups));
    }

    [Theory]
    [InlineData(true, 1f)]
    [InlineData(false, 0.5f)]
    public void A_gemm_computes_the_same_when_folded(bool transB, float beta)
    {
        const int Features = 4;
        var weight = Random(12, 4);
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, 1, 3);
        var w = builder.Constant(Tensor.FromFloats("w", transB ? [Features, 3] : [3, Features], weight));
        var b = builder.Constant(Tensor.FromFloats("b", [Features], Random(Features, 5)));
        var gemm = builder.Add("Gemm", [x, w, b], NodeAttribute.Int("transB", transB ? 1 : 0), NodeAttribute.Float("beta", beta));
        builder.Output(Norm(builder, gemm));
        var model = builder.Build();
        var input = Random(3, 6);
        var bias = Random(Features, 5).Select(v => v * beta).ToArray();
        var expected = Normalized(Product(input, weight, bias, transB));

        PassRunner.Run(model, new FoldBatchNorm(), new RemoveDeadCode());

        var node = Assert.Single(model.Graph.Nodes);
        Assert.Equal(1, node.Float("beta", 1));
        AssertClose(expected, Product(input, model.Graph.Initializer("w")!.ReadFloats(), model.Graph.Initializer("b")!.ReadFloats(), transB));
    }

    [Fact]
    public void A_layer_whose_output_is_read_elsewhere_is_not_folded()
    {
        var builder = new GraphBuilder(15);
        var conv = Conv(builder, builder.Input("x", ElementType.Float32, 1, 4, 1, 1), "w");
        builder.Output(Norm(builder, conv));
        builder.Output(conv);

        Assert.All(PassRunner.Run(builder.Build(), new FoldBatchNorm()), run => Assert.False(run.Changed));
    }

    [Fact]
    public void A_norm_in_training_mode_or_with_computed_parameters_is_not_folded()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, 1, 4, 1, 1);
        var scale = builder.Input("scale", ElementType.Float32, 4);
        var others = new[] { Beta, Mean, Variance }.Select(v => builder.Constant(Tensor.FromFloats("p", [4], v))).ToList();
        builder.Output(builder.Add("BatchNormalization", [Conv(builder, x, "w1"), scale, .. others]));
        builder.Output(builder.Add("BatchNormalization", [Conv(builder, x, "w2"), others[0], .. others], NodeAttribute.Int("training_mode", 1)));

        Assert.All(PassRunner.Run(builder.Build(), new FoldBatchNorm()), run => Assert.False(run.Changed));
    }

    [Fact]
    public void A_weight_shared_by_two_layers_with_different_norms_is_copied_for_each()
    {
        var builder = new GraphBuilder(15);
        var x = builder.Input("x", ElementType.Float32, 1, 4, 1, 1);
        var w = builder.Constant(Tensor.FromFloats("w", [4, 4, 1, 1], Random(16, 1)));
        var first = Norm(builder, builder.Add("Conv", [x, w]));
        var second = builder.Add("Conv", [first, w]);
        builder.Output(builder.Add("Relu", [second]));
        builder.Output(second);
        var model = builder.Build();

        PassRunner.Run(model, new FoldBatchNorm(), new RemoveDeadCode());

        Assert.Equal(Random(16, 1), model.Graph.Initializer("w")!.ReadFloats());
        var folded = model.Graph.Initializer(model.Graph.Nodes[0].Inputs[1])!;
        Assert.NotEqual("w", folded.Name);
        Assert.NotEqual(Random(16, 1), folded.ReadFloats());
    }

    [Fact]
    public void All_fifteen_norms_of_resnet14_fold_and_the_outputs_keep_their_names()
    {
        var model = OnnxModel.Load(SampleModels.ResNet14);

        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));

        Assert.DoesNotContain(model.Graph.Nodes, n => n.Is("BatchNormalization") || n.Is("Identity"));
        Assert.Equal((15 * 2) + 2, model.Graph.Initializers.Count);
        Assert.NotNull(model.Graph.Producer("/blocks/blocks.2/down/down.1/BatchNormalization_output_0"));
        Assert.Equal(["logits"], model.Graph.Outputs.Select(o => o.Name));
        Assert.Equal(model.ToBytes(), OnnxModel.Load(model.ToBytes()).ToBytes());
    }

    private static string Conv(GraphBuilder builder, string x, string name) =>
        builder.Add("Conv", [x, builder.Constant(Tensor.FromFloats(name, [4, 4, 1, 1], Random(16, 1)))]);

    private static string Norm(GraphBuilder builder, string value) => builder.Add(
        "BatchNormalization",
        [value, .. new[] { Gamma, Beta, Mean, Variance }.Select((v, i) => builder.Constant(Tensor.FromFloats($"norm{i}", [4], v)))],
        NodeAttribute.Float("epsilon", 1e-3f));

    private static double[] Normalized(double[] y) =>
        [.. y.Select((v, c) => Beta[c] + (Gamma[c] * (v - Mean[c]) / Math.Sqrt(Variance[c] + (double)1e-3f)))];

    private static double[] Pointwise(string opType, float[] x, float[] weight, float[] bias, int groups)
    {
        var (per, y) = (x.Length / groups, new double[x.Length]);
        for (var o = 0; o < y.Length; o++)
        {
            y[o] = bias[o];
            for (var i = 0; i < per; i++)
            {
                var input = (o / per * per) + i;
                y[o] += (double)x[input] * (opType == "Conv" ? weight[(o * per) + i] : weight[(input * per) + (o % per)]);
            }
        }
        return y;
    }

    private static double[] Product(float[] x, float[] weight, float[] bias, bool transB) =>
        [.. bias.Select((b, o) => b + x.Select((v, i) => (double)v * (transB ? weight[(o * x.Length) + i] : weight[(i * bias.Length) + o])).Sum())];

    private static float[] Random(long count, int seed)
    {
        var random = new Random(seed);
        return [.. Enumerable.Range(0, (int)count).Select(_ => (float)((random.NextDouble() * 2) - 1))];
    }

    private static void AssertClose(double[] expected, double[] actual)
    {
        for (var i = 0; i < expected.Length; i++)
            Assert.InRange(Math.Abs(expected[i] - actual[i]), 0, Tolerance * Math.Max(10, Math.Abs(expected[i])));
    }
}
