using Orchestrator.Compression.Corrections;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Tests.Corrections;

/// <summary>Bias correction on every form of layer: afterwards each output has the float model's mean in every channel.</summary>
public sealed class BiasTests
{
    /// <summary>Float32 activations of order 1 and biases rounded to float32.</summary>
    private const double Tolerance = 2e-6;

    private const int Samples = 8;
    private const int Width = 4;
    private const int Rows = 3;

    public enum Form
    {
        ConvWithoutBias,
        ConvWithBias,
        ConvWithComputedBias,
        GemmWithBeta,
        GemmWithoutBias,
        MatMul,
        MatMulThenAdd,
        MatMulFromTheLeft,
        QuantizedConv,
    }

    [Theory]
    [InlineData(Form.ConvWithoutBias, 1, 0)]
    [InlineData(Form.ConvWithBias, 1, 0)]
    [InlineData(Form.ConvWithComputedBias, 1, 1)]
    [InlineData(Form.GemmWithBeta, 1, 0)]
    [InlineData(Form.GemmWithoutBias, 1, 0)]
    [InlineData(Form.MatMul, 1, 1)]
    [InlineData(Form.MatMulThenAdd, 1, 0)]
    [InlineData(Form.MatMulFromTheLeft, 1, 1)]
    [InlineData(Form.QuantizedConv, 1, 0)]
    public void The_mean_error_of_each_channel_goes_into_the_bias(Form form, int seed, int newNodes)
    {
        var shape = Shape(form);
        using var harness = new CorrectionHarness([.. CorrectionHarness.Random((int)shape.Aggregate(1L, (a, d) => a * d), seed).Select(v => v + 0.5f)], shape);
        var (reference, draft) = (Model(form, damage: 0), Model(form, damage: 0.3f));
        var site = SiteOf(form, reference);
        var output = draft.Graph.Outputs[0].Name;
        var nodes = draft.Graph.Nodes.Count;

        var corrected = harness.Correct(Correction.Bias, reference, draft, [site]);

        var axis = site.Axis;
        Assert.Equal(output, corrected.Graph.Outputs[0].Name);
        Assert.Equal(nodes + newNodes, corrected.Graph.Nodes.Count);
        var (wanted, before, after) = (Means(harness, reference, axis), Means(harness, draft, axis), Means(harness, corrected, axis));
        Assert.All(wanted.Zip(after), pair => Assert.Equal(pair.First, pair.Second, Tolerance));
        Assert.Contains(wanted.Zip(before), pair => Math.Abs(pair.First - pair.Second) > 1e-2);
    }

    private static long[] Shape(Form form) => form switch
    {
        Form.GemmWithBeta or Form.GemmWithoutBias => [Samples, Width],
        Form.MatMul or Form.MatMulThenAdd => [Samples, 5, Width],
        _ => [Samples, Width, 6],
    };

    private static SiteRef SiteOf(Form form, OnnxModel model)
    {
        var node = model.Graph.Nodes.First(n => n.OpType is "Conv" or "Gemm" or "MatMul").Name;
        return new SiteRef(node, form is Form.MatMulFromTheLeft ? ChannelAxis.LastButOne : Shape(form).Length == 2 || form is Form.MatMul or Form.MatMulThenAdd ? ChannelAxis.Last : ChannelAxis.Second, Rows);
    }

    /// <summary>Means of the model's output.</summary>
    private static double[] Means(CorrectionHarness harness, OnnxModel model, ChannelAxis axis) =>
        harness.Moments(model, new SiteRef(model.Graph.Producer(model.Graph.Outputs[0].Name)!.Name, axis, Rows)).Means;

    private static OnnxModel Model(Form form, float damage)
    {
        var builder = new GraphBuilder(13);
        builder.Input("x", ElementType.Float32, [-1, .. Shape(form).Skip(1)]);
        float[] weight = [.. CorrectionHarness.Random(Rows * Width, 5).Zip(CorrectionHarness.Random(Rows * Width, 6), (w, d) => w + (damage * d))];
        var bias = Constant(CorrectionHarness.Random(Rows, 7), Rows);
        var output = form switch
        {
            Form.ConvWithoutBias or Form.QuantizedConv => builder.Add("Conv", ["x", Constant(weight, Rows, Width, 1)]),
            Form.ConvWithBias => builder.Add("Conv", ["x", Constant(weight, Rows, Width, 1), bias]),
            Form.ConvWithComputedBias => builder.Add("Conv", ["x", Constant(weight, Rows, Width, 1), builder.Add("Abs", [bias])]),
            Form.GemmWithBeta => builder.Add("Gemm", ["x", Constant(weight, Rows, Width), bias], NodeAttribute.Int("transB", 1), NodeAttribute.Float("beta", 0.5f)),
            Form.GemmWithoutBias => builder.Add("Gemm", ["x", Constant(weight, Width, Rows)]),
            Form.MatMul => builder.MatMul("x", Constant(weight, Width, Rows)),
            Form.MatMulThenAdd => builder.Binary("Add", bias, builder.MatMul("x", Constant(weight, Width, Rows))),
            _ => builder.MatMul(Constant(weight, Rows, Width), "x"),
        };
        builder.Output(output);
        var model = builder.Build();
        if (form == Form.QuantizedConv && damage > 0)
            QuantizedWeights.Apply(model, ModelPartition.Of(model).Layers[0], [.. Enumerable.Range(0, Rows * Width)], [0.1f, 0.2f, 0.05f], [3, 8, 2], 4);
        return model;

        string Constant(float[] values, params long[] shape) => builder.Constant(Tensor.FromFloats("c", shape, values));
    }
}
