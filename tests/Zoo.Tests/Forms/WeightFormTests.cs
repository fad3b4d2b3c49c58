using System.Runtime.InteropServices;
using Orchestrator.Compression.Calibration;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Forms;

/// <summary>
/// Every form in which Conv, Gemm and MatMul hold a weight. The identity ‖f(W + ΔW) − f(W)‖² = Σ ΔW·(X·Xᵀ)·ΔWᵀ ties together how the
/// matrix is read and written and how calibration sees the inputs: it fails where any of them takes rows, columns or factors amiss.
/// </summary>
public sealed class WeightFormTests : IDisposable
{
    /// <summary>Float32 products on either side, summed in another order; the change of the output is itself a small difference.</summary>
    private const double Rounding = 1e-3;

    private static readonly Dictionary<string, Func<GraphBuilder, string>> s_forms = new(StringComparer.Ordinal)
    {
        ["gemm"] = b => b.Gemm(X(b, 5, 6), W(b, 6, 4)),
        ["gemm transB"] = b => b.Gemm(X(b, 5, 6), W(b, 4, 6), transB: true),
        ["gemm transA"] = b => b.Gemm(X(b, 6, 5), W(b, 6, 4), transA: true),
        ["gemm transA transB"] = b => b.Gemm(X(b, 6, 5), W(b, 4, 6), transA: true, transB: true),
        ["gemm alpha beta"] = b => b.Add("Gemm", [X(b, 5, 6), W(b, 6, 4), Bias(b, 4)], NodeAttribute.Float("alpha", 0.5f), NodeAttribute.Float("beta", 3)),
        ["gemm left"] = b => b.Gemm(W(b, 4, 6), X(b, 6, 5)),
        ["gemm left transA transB"] = b => b.Add("Gemm", [W(b, 6, 4), X(b, 5, 6)], NodeAttribute.Int("transA", 1), NodeAttribute.Int("transB", 1), NodeAttribute.Float("alpha", -2)),
        ["matmul"] = b => b.MatMul(X(b, 2, 5, 6), W(b, 6, 4)),
        ["matmul leading ones"] = b => b.MatMul(X(b, 2, 5, 6), W(b, 1, 6, 4)),
        ["matmul vector"] = b => b.MatMul(X(b, 6), W(b, 6, 4)),
        ["matmul left"] = b => b.MatMul(W(b, 4, 6), X(b, 2, 6, 5)),
        ["matmul left vector"] = b => b.MatMul(W(b, 4, 6), X(b, 6)),
        ["conv 1d"] = b => b.Add("Conv", [X(b, 2, 3, 9), W(b, 4, 3, 3)], NodeAttribute.Ints("pads", 1, 0), NodeAttribute.Ints("strides", 2)),
        ["conv 2d groups"] = b => b.Add("Conv", [X(b, 2, 4, 7, 6), W(b, 4, 2, 3, 2)], NodeAttribute.Int("group", 2), NodeAttribute.Ints("dilations", 2, 1)),
        ["conv 2d depthwise"] = b => b.Add("Conv", [X(b, 2, 4, 7, 6), W(b, 4, 1, 3, 3)], NodeAttribute.Int("group", 4), NodeAttribute.Text("auto_pad", "SAME_UPPER"), NodeAttribute.Ints("strides", 2, 2)),
        ["conv 2d same lower"] = b => b.Add("Conv", [X(b, 2, 3, 7, 6), W(b, 4, 3, 2, 4)], NodeAttribute.Text("auto_pad", "SAME_LOWER")),
        ["conv 3d"] = b => b.Add("Conv", [X(b, 2, 2, 4, 5, 6), W(b, 3, 2, 2, 3, 2)], NodeAttribute.Ints("pads", 0, 1, 0, 1, 0, 1)),
        ["behind a cast"] = b => b.MatMul(X(b, 5, 6), b.Cast(b.Constant(Numbers("w", ElementType.Float16, 6, 4)), ElementType.Float32)),
        ["behind a cast and a transpose"] = b => b.MatMul(X(b, 5, 6), b.Transpose(b.Cast(b.Constant(Numbers("w", ElementType.BFloat16, 4, 6)), ElementType.Float32), 1, 0)),
        ["in double"] = b => b.MatMul(b.Cast(X(b, 5, 6), ElementType.Float64), b.Constant(Numbers("w", ElementType.Float64, 6, 4))),
    };

    private readonly ModelRun _run = new();

    public static TheoryData<string> Forms() => [.. s_forms.Keys];

    public void Dispose() => _run.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_change_of_the_matrix_changes_the_output_by_what_the_inputs_say(string form)
    {
        var model = Prepared(form);
        var changed = model.Clone();
        var (layer, other) = (Assert.Single(ModelPartition.Of(model).Layers), Assert.Single(ModelPartition.Of(changed).Layers));
        var matrix = LayerMatrix.Read(layer);
        var random = new Random(3);
        LayerMatrix.Write(other, [.. matrix.Select(w => w + (float)((random.Next(3) - 1) * 0.25))]);
        // What was written is what the type of the weight could hold.
        var delta = LayerMatrix.Read(Assert.Single(ModelPartition.Of(changed).Layers)).Zip(matrix, (a, b) => (double)a - b).ToArray();

        var before = _run.Run(model.ToBytes(), Feeds());
        var after = _run.Run(changed.ToBytes(), Feeds());

        var measured = before[0].Reals.Zip(after[0].Reals, (a, b) => (a - b) * (a - b)).Sum();
        Assert.InRange(Predicted(model, layer, delta) / measured, 1 - Rounding, 1 + Rounding);
    }

    [Theory]
    [MemberData(nameof(Forms))]
    public void Codes_compute_what_their_values_do(string form)
    {
        var (reals, integers) = (Prepared(form), Prepared(form));
        var (real, integer) = (ModelPartition.Of(reals).Layers[0], ModelPartition.Of(integers).Layers[0]);
        var (codes, scales, zeros) = Codes.Nearest(LayerMatrix.Read(integer), integer.Rows, bits: 4);
        Array.Fill(scales, 0.125f);
        LayerMatrix.Write(real, QuantizedWeights.Dequantize(codes, scales, zeros));

        Assert.Null(QuantizedWeights.Apply(integers, integer, codes, scales, zeros, bits: 4).Reason);

        Expect.Nothing(Comparison.Difference(_run.Run(reals.ToBytes(), Feeds()), _run.Run(integers.ToBytes(), Feeds()), 1e-6));
        Assert.Empty(ModelPartition.Of(integers).Layers);
    }

    private double Predicted(OnnxModel model, Layer layer, double[] delta)
    {
        var graph = GramGraph.Build(model, ModelPartition.Of(model), [layer.Name]);
        var outputs = _run.Run(graph.Model.ToBytes(), Feeds());
        var gram = MemoryMarshal.Cast<byte, float>(Assert.Single(outputs).Bytes);
        var (columns, rowsPerGroup) = (layer.Columns, layer.Rows / layer.Groups);
        var sum = 0.0;
        for (var row = 0; row < layer.Rows; row++)
            for (var i = 0; i < columns; i++)
                for (var j = 0; j < columns; j++)
                    sum += delta[(row * columns) + i] * delta[(row * columns) + j] * gram[(((row / rowsPerGroup) * columns) + i) * columns + j];
        return sum;
    }

    private static OnnxModel Prepared(string form)
    {
        var builder = new GraphBuilder(17);
        builder.Output(s_forms[form](builder), "y");
        var model = builder.Build();
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: true));
        return model;
    }

    private static RandomFeeds Feeds() => new(11);

    private static string X(GraphBuilder builder, params long[] shape) => builder.Input("x", ElementType.Float32, shape);

    private static string W(GraphBuilder builder, params long[] shape) => builder.Constant(Numbers("w", ElementType.Float32, shape));

    private static string Bias(GraphBuilder builder, int count) => builder.Constant(Numbers("b", ElementType.Float32, count));

    /// <summary>Eighths, which every type holds exactly.</summary>
    private static Tensor Numbers(string name, ElementType type, params long[] shape)
    {
        var random = new Random(2);
        var values = new double[shape.Aggregate(1L, (a, d) => a * d)];
        for (var i = 0; i < values.Length; i++)
            values[i] = (random.Next(17) - 8) / 8.0;
        return Tensor.FromReals(name, type, shape, values);
    }
}
