using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Forms;

/// <summary>Operators in the forms of older sets, raised and run beside themselves: the single-operator models of ONNX hold the newest forms only.</summary>
public sealed class OldFormTests : IDisposable
{
    /// <summary>One operator in float32.</summary>
    private const double Rounding = 1e-6;

    /// <summary>Float16's rounding, which the runtime leaves out where it has no such kernel and casts around it.</summary>
    private const double HalfRounding = 1e-3;

    private static readonly Dictionary<string, (int Opset, Func<GraphBuilder, string, string> Build)> s_forms = new(StringComparer.Ordinal)
    {
        ["clip"] = (7, (b, x) => b.Add("Clip", [x], NodeAttribute.Float("min", -0.5f), NodeAttribute.Float("max", 0.5f))),
        ["clip below"] = (10, (b, x) => b.Add("Clip", [x], NodeAttribute.Float("min", -0.5f))),
        ["clip in half"] = (10, (b, x) => b.Cast(b.Add("Clip", [b.Cast(x, ElementType.Float16)], NodeAttribute.Float("max", 0.5f)), ElementType.Float32)),
        ["dropout"] = (7, (b, x) => b.Add("Dropout", [x], NodeAttribute.Float("ratio", 0.3f))),
        ["dropout 10"] = (10, (b, x) => b.Add("Dropout", [x], NodeAttribute.Float("ratio", 0.3f))),
        ["pad"] = (7, (b, x) => b.Add("Pad", [x], NodeAttribute.Ints("pads", 0, 0, 1, 2, 0, 0, 0, 1), NodeAttribute.Float("value", 2))),
        ["pad reflected in half"] = (10, (b, x) => b.Cast(b.Add("Pad", [b.Cast(x, ElementType.Float16)], NodeAttribute.Ints("pads", 0, 0, 1, 1, 0, 0, 1, 1), NodeAttribute.Text("mode", "reflect")), ElementType.Float32)),
        ["pad with a value in half"] = (10, (b, x) => b.Cast(b.Add("Pad", [b.Cast(x, ElementType.Float16)], NodeAttribute.Ints("pads", 0, 0, 1, 1, 0, 0, 1, 1), NodeAttribute.Float("value", 1.5f)), ElementType.Float32)),
        ["slice"] = (7, (b, x) => b.Add("Slice", [x], NodeAttribute.Ints("starts", 1, -4), NodeAttribute.Ints("ends", 3, -1), NodeAttribute.Ints("axes", 1, 3))),
        ["slice without axes"] = (9, (b, x) => b.Add("Slice", [x], NodeAttribute.Ints("starts", 0, 1), NodeAttribute.Ints("ends", 9, 3))),
        ["split"] = (7, (b, x) => b.AddMany("Split", [x], 2, NodeAttribute.Int("axis", 1), NodeAttribute.Ints("split", 1, 3))[1]),
        ["split evenly"] = (13, (b, x) => b.AddMany("Split", [x], 2, NodeAttribute.Int("axis", 1))[1]),
        ["squeeze"] = (7, (b, x) => b.Add("Squeeze", [b.Add("Unsqueeze", [x], NodeAttribute.Ints("axes", 0, 3))], NodeAttribute.Ints("axes", 0))),
        ["top k"] = (7, (b, x) => b.AddMany("TopK", [x], 2, NodeAttribute.Int("k", 3), NodeAttribute.Int("axis", 3))[0]),
        ["reduce sum"] = (7, (b, x) => b.Add("ReduceSum", [x], NodeAttribute.Ints("axes", 1, 2), NodeAttribute.Int("keepdims", 0))),
        ["reduce l2"] = (11, (b, x) => b.Add("ReduceL2", [x], NodeAttribute.Ints("axes", -1))),
        ["reduce all"] = (8, (b, x) => b.Add("ReduceMax", [x])),
        ["softmax flattened"] = (7, (b, x) => b.Add("Softmax", [x])),
        ["softmax last"] = (11, (b, x) => b.Add("Softmax", [x], NodeAttribute.Int("axis", 3))),
        ["log softmax flattened"] = (9, (b, x) => b.Add("LogSoftmax", [x], NodeAttribute.Int("axis", 2))),
        ["hardmax flattened"] = (11, (b, x) => b.Add("Hardmax", [x], NodeAttribute.Int("axis", 2))),
        ["upsample 7"] = (7, (b, x) => b.Add("Upsample", [x], NodeAttribute.Floats("scales", 1, 1, 2, 3), NodeAttribute.Text("mode", "nearest"))),
        ["upsample 9 linear"] = (9, (b, x) => b.Add("Upsample", [x, Scales(b, 2, 1.5f)], NodeAttribute.Text("mode", "linear"))),
        ["upsample 9 computed"] = (9, (b, x) => b.Add("Upsample", [x, b.Add("Relu", [Scales(b, 2, 2)])], NodeAttribute.Text("mode", "nearest"))),
        ["resize 10 larger"] = (10, (b, x) => b.Add("Resize", [x, Scales(b, 2, 1.5f)], NodeAttribute.Text("mode", "nearest"))),
        ["resize 10 smaller"] = (10, (b, x) => b.Add("Resize", [x, Scales(b, 0.5f, 0.6f)], NodeAttribute.Text("mode", "nearest"))),
        ["resize 10 linear smaller"] = (10, (b, x) => b.Add("Resize", [x, Scales(b, 0.5f, 0.7f)], NodeAttribute.Text("mode", "linear"))),
        ["resize 10 linear mixed"] = (10, (b, x) => b.Add("Resize", [x, Scales(b, 2, 0.7f)], NodeAttribute.Text("mode", "linear"))),
        ["resize 11"] = (11, (b, x) => b.Add("Resize", [x, b.Constant(Tensor.FromFloats("roi", [0], [])), Scales(b, 2, 2)], NodeAttribute.Text("mode", "cubic"))),
        ["batch norm"] = (7, (b, x) => b.Add("BatchNormalization", [x, P(b, 1), P(b, 2), P(b, 3), P(b, 4)], NodeAttribute.Int("spatial", 1))),
        ["prelu"] = (7, (b, x) => b.Add("PRelu", [x, b.Constant(Tensor.FromFloats("slope", [4, 1, 1], [0.1f, 0.2f, 0.3f, 0.4f]))])),
        ["max pool"] = (7, (b, x) => b.Add("MaxPool", [x], NodeAttribute.Ints("kernel_shape", 3, 3), NodeAttribute.Ints("strides", 2, 2))),
        ["average pool"] = (7, (b, x) => b.Add("AveragePool", [x], NodeAttribute.Ints("kernel_shape", 3, 3), NodeAttribute.Ints("pads", 1, 1, 1, 1))),
        ["gemm"] = (7, (b, x) => b.Gemm(b.Add("Flatten", [x]), b.Constant(Tensor.FromFloats("w", [96, 1], [.. Enumerable.Range(0, 96).Select(i => i / 96f)])))),
        ["grid sample"] = (16, (b, x) => b.Add("GridSample", [x, b.Constant(Tensor.FromFloats("grid", [1, 2, 2, 2], [-0.9f, -0.5f, 0, 0.1f, 0.4f, 0.7f, 1, -1]))], NodeAttribute.Text("mode", "bicubic"))),
        ["group norm"] = (18, (b, x) => b.Add("GroupNormalization", [x, P(b, 1, 2), P(b, 2, 2)], NodeAttribute.Int("num_groups", 2))),
        ["scatter"] = (9, (b, x) => b.Add("Scatter", [x, b.Constant(Tensor.FromLongs("at", [1, 1, 1, 2], [0, 1])), b.Constant(Tensor.FromFloats("put", [1, 1, 1, 2], [7, 8]))], NodeAttribute.Int("axis", 3))),
    };

    private readonly ModelRun _run = new(optimized: false);

    public static TheoryData<string> Forms() => [.. s_forms.Keys];

    public void Dispose() => _run.Dispose();

    [Theory]
    [MemberData(nameof(Forms))]
    public void A_raised_operator_computes_the_same(string form)
    {
        var (opset, build) = s_forms[form];
        var builder = new GraphBuilder(opset);
        builder.Output(build(builder, builder.Input("x", ElementType.Float32, 1, 4, 4, 6)), "y");
        var model = builder.Build();
        var expected = _run.Run(model.ToBytes(), new RandomFeeds(4));
        foreach (var target in new[] { OpsetUpgrade.MinTarget, OpsetUpgrade.MaxTarget }.Where(target => target > opset))
        {
            var raised = model.Clone();
            OpsetUpgrade.Raise(raised, target);
            Expect.Nothing(Comparison.Difference(expected, _run.Run(raised.ToBytes(), new RandomFeeds(4)), form.Contains("half", StringComparison.Ordinal) ? HalfRounding : Rounding));
        }
    }

    private static string Scales(GraphBuilder builder, float height, float width) => builder.Constant(Tensor.FromFloats("scales", [4], [1, 1, height, width]));

    private static string P(GraphBuilder builder, float first, int count = 4) =>
        builder.Constant(Tensor.FromFloats("p", [count], [.. Enumerable.Range(0, count).Select(i => first + (i / 4f))]));
}
