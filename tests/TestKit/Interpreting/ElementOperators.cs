using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Interpreting;

internal static class ElementOperators
{
    public static DoubleTensor? Run(Node node, DoubleTensor?[] inputs)
    {
        if (Unary(node) is { } unary)
            return new DoubleTensor(inputs[0]!.Shape, Array.ConvertAll(inputs[0]!.Values, v => unary(v)));
        if (Binary(node.OpType) is { } binary)
            return inputs.Skip(1).Aggregate(inputs[0]!, (a, b) => DoubleTensor.Build(DoubleTensor.Broadcast(a.Shape, b!.Shape), i => binary(a.At(i), b.At(i))));
        return node.OpType switch
        {
            "Clip" => Clip(inputs),
            "QuantizeLinear" or "DequantizeLinear" => Quantization(node, inputs),
            "Where" => DoubleTensor.Build(
                DoubleTensor.Broadcast(inputs.Select(t => t!.Shape)), i => inputs[0]!.At(i) != 0 ? inputs[1]!.At(i) : inputs[2]!.At(i)),
            _ => null,
        };
    }

    /// <summary>Abramowitz and Stegun 7.1.5 for small arguments, the continued fraction 7.1.14 for large ones.</summary>
    public static double Erf(double x)
    {
        if (Math.Abs(x) > 3)
        {
            var fraction = 0.0;
            for (var k = 80; k > 0; k--)
                fraction = k / 2.0 / (Math.Abs(x) + fraction);
            return Math.Sign(x) * (1 - (Math.Exp(-x * x) / Math.Sqrt(Math.PI) / (Math.Abs(x) + fraction)));
        }
        var (term, sum) = (x, x);
        for (var k = 1; k < 100; k++)
        {
            term *= -x * x / k;
            sum += term / ((2 * k) + 1);
        }
        return 2 / Math.Sqrt(Math.PI) * sum;
    }

    private static DoubleTensor Clip(DoubleTensor?[] inputs)
    {
        var low = inputs.Length > 1 && inputs[1] is { } l ? l.Values[0] : double.NegativeInfinity;
        var high = inputs.Length > 2 && inputs[2] is { } h ? h.Values[0] : double.PositiveInfinity;
        return new DoubleTensor(inputs[0]!.Shape, Array.ConvertAll(inputs[0]!.Values, v => Math.Min(Math.Max(v, low), high)));
    }

    /// <summary>Codes of eight bits without a sign, or the values of codes; scales and zero points are one, or one an entry of the axis.</summary>
    private static DoubleTensor Quantization(Node node, DoubleTensor?[] inputs)
    {
        var (x, scale, zero) = (inputs[0]!, inputs[1]!, inputs.ElementAtOrDefault(2));
        var axis = (int)node.Int("axis", 1);
        return DoubleTensor.Build(x.Shape, index =>
        {
            var entry = scale.Values.Length == 1 ? 0 : (int)index[axis];
            var (s, z) = (scale.Values[entry], zero?.Values[entry] ?? 0);
            return node.OpType == "QuantizeLinear" ? Math.Clamp(Math.Round(x.At(index) / s) + z, 0, 255) : s * (x.At(index) - z);
        });
    }

    private static Func<double, double>? Unary(Node node) => node.OpType switch
    {
        "Identity" or "Cast" => v => v,
        "Neg" => v => -v,
        "Abs" => Math.Abs,
        "Sqrt" => Math.Sqrt,
        "Exp" => Math.Exp,
        "Log" => Math.Log,
        "Reciprocal" => v => 1 / v,
        "Erf" => Erf,
        "Round" => Math.Round,
        "Floor" => Math.Floor,
        "Ceil" => Math.Ceiling,
        "Relu" => v => Math.Max(v, 0),
        "LeakyRelu" => v => v > 0 ? v : node.Float("alpha", 0.01f) * v,
        "Sigmoid" => v => 1 / (1 + Math.Exp(-v)),
        "Tanh" => Math.Tanh,
        "HardSigmoid" => v => Math.Clamp((node.Float("alpha", 0.2f) * v) + node.Float("beta", 0.5f), 0, 1),
        "HardSwish" => v => v * Math.Clamp((v / 6) + 0.5, 0, 1),
        "Gelu" when node.Text("approximate", "none") == "tanh" => v => v * (1 + Math.Tanh(Math.Sqrt(2 / Math.PI) * (v + (0.044715 * v * v * v)))) / 2,
        "Gelu" => v => v * (1 + Erf(v / Math.Sqrt(2))) / 2,
        _ => null,
    };

    private static Func<double, double, double>? Binary(string opType) => opType switch
    {
        "Add" or "Sum" => (a, b) => a + b,
        "Sub" => (a, b) => a - b,
        "Mul" => (a, b) => a * b,
        "Div" => (a, b) => a / b,
        "Pow" => Math.Pow,
        "Min" => Math.Min,
        "Max" => Math.Max,
        "Equal" => (a, b) => a == b ? 1 : 0,
        "Greater" => (a, b) => a > b ? 1 : 0,
        "Less" => (a, b) => a < b ? 1 : 0,
        "And" => (a, b) => a != 0 && b != 0 ? 1 : 0,
        _ => null,
    };
}
