using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.OnnxRuntime;
using Orchestrator.TestKit.Interpreting;

namespace Orchestrator.Compression.Tests.Gradients;

public sealed class TrainingStepTests
{
    /// <summary>Of float sums over some hundred products against double ones; absolute for numbers below one, relative above.</summary>
    private const double Tolerance = 1e-5;

    [Fact]
    public void A_step_of_the_runtime_equals_Adam_in_double_over_the_interpreters_gradients()
    {
        var random = new Random(5);
        var values = new Dictionary<string, DoubleTensor>();
        var (gradients, loss, wanted) = Block(random, values);
        var names = Onnx.Gradients.Gradients.Add(gradients, loss, wanted);
        foreach (var name in names.Values)
            gradients.Output(name);
        var reference = DoubleInterpreter.Run(gradients.Build(), values);

        var (builder, _, _) = Block(new Random(5), []);
        var step = TrainingStep.Build(builder, loss, [.. wanted.Select(w => new Trainable(w, values[w].Shape, "rate"))], new AdamSettings());
        foreach (var w in wanted)
        {
            values[$"{w}.m"] = DoubleTensor.Build(values[w].Shape, _ => (float)(0.1 * random.NextDouble()));
            values[$"{w}.v"] = DoubleTensor.Build(values[w].Shape, _ => (float)(0.01 * random.NextDouble()));
        }
        values["rate"] = DoubleTensor.Scalar(0.001f);
        values[TrainingStep.Correction1] = DoubleTensor.Scalar((float)(1 - Math.Pow(0.9, 3)));
        values[TrainingStep.Correction2] = DoubleTensor.Scalar((float)(1 - Math.Pow(0.999, 3)));
        var next = Run(step.Model, values);

        foreach (var w in wanted)
            for (var i = 0; i < values[w].Values.Length; i++)
            {
                var g = reference[names[w]].Values[i];
                var m = (0.9 * values[$"{w}.m"].Values[i]) + (0.1 * g);
                var v = (0.999 * values[$"{w}.v"].Values[i]) + (0.001 * g * g);
                var update = 0.001 * (m / (1 - Math.Pow(0.9, 3))) / (Math.Sqrt(v / (1 - Math.Pow(0.999, 3))) + 1e-8);
                Assert.InRange(next[$"{w}.next"][i] - (values[w].Values[i] - update), -Tolerance, Tolerance);
                Assert.InRange((next[$"{w}.m.next"][i] - m) / Math.Max(1, Math.Abs(m)), -Tolerance, Tolerance);
                Assert.InRange((next[$"{w}.v.next"][i] - v) / Math.Max(1, Math.Abs(v)), -Tolerance, Tolerance);
            }
    }

    /// <summary>A residual block whose second convolution strides over groups, a pool and a classifier; mean squared output as the loss.</summary>
    private static (GraphBuilder Builder, string Loss, string[] Wanted) Block(Random random, Dictionary<string, DoubleTensor> values)
    {
        var b = new GraphBuilder(20);
        string Input(string name, params long[] shape)
        {
            values[name] = DoubleTensor.Build(shape, _ => (float)((2 * random.NextDouble()) - 1));
            return b.Input(name, Onnx.ElementType.Float32, shape);
        }
        string Conv(string x, string w, long group, long stride, long pad) => b.Add(
            "Conv", [x, w], NodeAttribute.Int("group", group), NodeAttribute.Ints("strides", stride, stride), NodeAttribute.Ints("pads", pad, pad, pad, pad));
        var x = Input("x", 3, 4, 7, 7);
        var first = b.Add("Relu", [Conv(x, Input("w1", 4, 4, 3, 3), 1, 1, 1)]);
        var second = Conv(b.Binary("Add", first, x), Input("w2", 6, 2, 3, 3), 2, 2, 1);
        var pooled = b.Add("MaxPool", [b.Add("Sigmoid", [second])], NodeAttribute.Ints("kernel_shape", 2, 2));
        var logits = b.Gemm(b.Add("Flatten", [pooled]), Input("w3", 54, 5));
        var loss = b.Reduce("ReduceMean", b.Binary("Mul", logits, logits), false, 0, 1);
        return (b, loss, ["w1", "w2", "w3"]);
    }

    private static Dictionary<string, float[]> Run(OnnxModel model, Dictionary<string, DoubleTensor> values)
    {
        using var environment = new OrtEnvironment(LoggingLevel.Fatal);
        using var session = Session.FromBytes(environment, model.ToBytes(), new SessionOptions { LogSeverity = LoggingLevel.Fatal });
        var names = session.Inputs.Select(i => i.Name).ToList();
        var inputs = names.ConvertAll(n => OrtValue.FromMemory<float>(Array.ConvertAll(values[n].Values, v => (float)v), values[n].Shape));
        var outputNames = session.Outputs.Select(o => o.Name).ToList();
        using var outputs = session.Run(names, inputs, outputNames);
        var result = outputNames.Select((n, i) => (n, outputs[i].AsSpan<float>().ToArray())).ToDictionary(p => p.n, p => p.Item2);
        inputs.ForEach(i => i.Dispose());
        return result;
    }
}
