using Orchestrator.Onnx.Gradients;
using Orchestrator.TestKit.Interpreting;

namespace Orchestrator.Onnx.Tests.Gradients;

public sealed class GradientsTests
{
    [Fact]
    public void A_step_size_learns_through_rounding_and_clipping()
    {
        // x/s + z = 0.4, 2.6 and 9.9 against the codes 0 to 7 with z = 2; the factors are those of LSQ.
        var b = new GraphBuilder(20);
        var (x, s) = (b.Input("x", ElementType.Float32, 3), b.Input("s", ElementType.Float32));
        var code = b.Binary("Add", b.Add("Round", [b.Binary("Div", x, s)]), b.Scalar(2));
        var clipped = b.Add("Clip", [code, b.Scalar(0), b.Scalar(7)]);
        var loss = b.Reduce("ReduceSum", b.Binary("Mul", s, b.Binary("Sub", clipped, b.Scalar(2))), false, 0);
        var gradients = Onnx.Gradients.Gradients.Add(b, loss, ["x", "s"]);
        foreach (var gradient in gradients.Values)
            b.Output(gradient);
        var values = DoubleInterpreter.Run(b.Build(), new Dictionary<string, DoubleTensor> { ["x"] = new([3], [-0.8, 0.3, 3.95]), ["s"] = DoubleTensor.Scalar(0.5) });

        Assert.Equal([1, 1, 0], values[gradients["x"]].Values);
        // round − x/s inside, −2 + 1.6 and 1 − 0.6; n − z above.
        Assert.Equal((-2 + 1.6) + (1 - 0.6) + (7 - 2), values[gradients["s"]].Values[0], 9);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public void A_quantization_by_codes_has_the_gradient_of_the_one_in_float(int scales)
    {
        // The second axis of [2, 3]: one scale for all, or one an entry; some are beyond either end of the codes.
        double[] x = [-1.9, 0.3, 30, 0.2, -4.1, 1.3];
        float[] s = [0.05f, 0.1f, 0.02f];
        var gradients = new List<double[]>();
        foreach (var isFloat in (bool[])[false, true])
        {
            var b = new GraphBuilder(20);
            var input = b.Input("x", ElementType.Float32, 2, 3);
            var scale = b.Constant(Tensor.FromFloats("s", scales == 1 ? [] : [3], [.. s.Take(scales)]));
            string quantized;
            if (isFloat)
            {
                var code = b.Binary("Add", b.Add("Round", [b.Binary("Div", input, scale)]), b.Scalar(32));
                quantized = b.Binary("Mul", b.Binary("Sub", b.Add("Clip", [code, b.Scalar(0), b.Scalar(255)]), b.Scalar(32)), scale);
            }
            else
            {
                var zero = b.Constant(Tensor.FromBytes("z", ElementType.UInt8, scales == 1 ? [] : [3], Enumerable.Repeat((byte)32, scales).ToArray()));
                quantized = b.Add("DequantizeLinear", [b.Add("QuantizeLinear", [input, scale, zero]), scale, zero]);
            }

            var loss = b.Reduce("ReduceSum", b.Binary("Mul", quantized, quantized), false, 0, 1);
            var name = Onnx.Gradients.Gradients.Add(b, loss, ["x"])["x"];
            b.Output(name);
            gradients.Add(DoubleInterpreter.Run(b.Build(), new Dictionary<string, DoubleTensor> { ["x"] = new([2, 3], x) })[name].Values);
        }

        Assert.Contains(0, gradients[0]);
        Assert.All(gradients[0].Zip(gradients[1]), pair => Assert.Equal(pair.First, pair.Second, 9));
    }

    [Fact]
    public void A_value_used_twice_gathers_both_gradients()
    {
        var p = new GradientProblem(1);
        var x = p.Input("x", [3, 3]);
        p.Check(p.Loss(p.Graph.Binary("Mul", p.Graph.MatMul(x, x), x)), "x");
    }

    [Fact]
    public void Operators_without_a_rule_are_named_and_only_where_they_matter()
    {
        var b = new GraphBuilder(20);
        var x = b.Input("x", ElementType.Float32, 4);
        var off = b.Add("Softplus", [b.Input("y", ElementType.Float32, 4)]);
        var on = b.Add("Softsign", [x]);
        var loss = b.Reduce("ReduceSum", b.Binary("Mul", on, off), false, 0);

        Assert.Equal(["Softsign"], Onnx.Gradients.Gradients.Unsupported(b.Model.Graph, loss, ["x"]).Select(n => n.OpType));
        Assert.Contains("Softsign", Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(b, loss, ["x"])).Message, StringComparison.Ordinal);
    }

    [Fact]
    public void What_cannot_be_differentiated_is_refused()
    {
        var b = new GraphBuilder(20);
        var x = b.Input("x", ElementType.Float32, 4);
        b.Input("unused", ElementType.Float32, 4);
        var loss = b.Reduce("ReduceSum", x, false, 0);

        Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(b, loss, ["unused"]));
        Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(b, x, ["x"]));
        Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(b, "none", ["x"]));
        b.Input("open", ElementType.Float32, -1, 4);
        Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(b, loss, ["x"]));
        var old = new GraphBuilder(12);
        Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(old, old.Input("x", ElementType.Float32), ["x"]));
    }

    [Fact]
    public void Attributes_that_do_not_go_with_the_shapes_are_refused_by_the_name_of_the_node()
    {
        var b = new GraphBuilder(20);
        var x = b.Input("x", ElementType.Float32, 2, 4);
        var y = b.Output(b.Add("LayerNormalization", [x, b.Input("scale", ElementType.Float32, 4)], NodeAttribute.Int("axis", 9)), "y", ElementType.Float32, [2, 4]);
        var loss = b.Reduce("ReduceSum", y, false, 0, 1);
        var node = b.Model.Graph.Nodes.First(n => n.Is("LayerNormalization")).Name;

        var refused = Assert.Throws<OnnxException>(() => Onnx.Gradients.Gradients.Add(b, loss, ["x"]));

        Assert.Contains(node, refused.Subject, StringComparison.Ordinal);
        Assert.Contains("do not go with its shapes", refused.Message, StringComparison.Ordinal);
    }

    [Fact]
    public void Steps_follow_Adam()
    {
        const double Tolerance = 1e-12;
        var p = new GradientProblem(3);
        var loss = p.Loss(p.Graph.Add("Tanh", [p.Graph.MatMul(p.Input("x", [4, 3]), p.Input("w", [3, 2]))]));
        var adam = new AdamSettings(0.5f, 0.75f, 0.125f);
        var step = TrainingStep.Build(p.Graph, loss, [new Trainable("w", [3, 2], "rate")], adam);

        var (w, m, v) = (p.Inputs["w"], DoubleTensor.Zeros(3, 2), DoubleTensor.Zeros(3, 2));
        for (var t = 1; t <= 5; t++)
        {
            var (correction1, correction2) = (1 - Math.Pow(0.5, t), 1 - Math.Pow(0.75, t));
            var values = DoubleInterpreter.Run(step.Model, new Dictionary<string, DoubleTensor>
            {
                ["x"] = p.Inputs["x"], ["w"] = w, ["w.m"] = m, ["w.v"] = v, ["rate"] = DoubleTensor.Scalar(0.01),
                [TrainingStep.Correction1] = DoubleTensor.Scalar(correction1), [TrainingStep.Correction2] = DoubleTensor.Scalar(correction2),
            });
            for (var i = 0; i < 6; i++)
            {
                var g = Difference(step.Model, p.Inputs["x"], w, loss, i);
                Assert.Equal((0.5 * m.Values[i]) + (0.5 * g), values["w.m.next"].Values[i], 6);
                Assert.Equal((0.75 * v.Values[i]) + (0.25 * g * g), values["w.v.next"].Values[i], 6);
                var expected = w.Values[i] - (0.01 * (values["w.m.next"].Values[i] / correction1) / (Math.Sqrt(values["w.v.next"].Values[i] / correction2) + 0.125));
                Assert.InRange(values["w.next"].Values[i] - expected, -Tolerance, Tolerance);
            }
            (w, m, v) = (values["w.next"], values["w.m.next"], values["w.v.next"]);
        }
    }

    private static double Difference(OnnxModel model, DoubleTensor x, DoubleTensor w, string loss, int element)
    {
        const double Step = 1e-5;
        var one = DoubleTensor.Scalar(1);
        var zeros = DoubleTensor.Zeros(3, 2);
        double At(double step)
        {
            var moved = w.Values.ToArray();
            moved[element] += step;
            return DoubleInterpreter.Run(model, new Dictionary<string, DoubleTensor>
            {
                ["x"] = x, ["w"] = w with { Values = moved }, ["w.m"] = zeros, ["w.v"] = zeros, ["rate"] = one,
                [TrainingStep.Correction1] = one, [TrainingStep.Correction2] = one,
            })[loss].Values[0];
        }
        return (At(Step) - At(-Step)) / (2 * Step);
    }
}
