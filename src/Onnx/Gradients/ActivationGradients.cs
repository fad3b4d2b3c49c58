namespace Orchestrator.Onnx.Gradients;

/// <summary>Activation functions.</summary>
internal static class ActivationGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Relu"] = (c, n, dy) => c.Flow(n, 0, () => c.Mask(Above(c, n.Output, 0), dy)),
        ["LeakyRelu"] = (c, n, dy) => c.Flow(n, 0, () =>
            c.Builder.Add("Where", [Above(c, n.Inputs[0], 0), dy, c.Scale(dy, n.Float("alpha", 0.01f))])),
        ["Sigmoid"] = (c, n, dy) => c.Flow(n, 0, () => c.Mul(dy, c.Sub(n.Output, c.Mul(n.Output, n.Output)))),
        ["Tanh"] = (c, n, dy) => c.Flow(n, 0, () => c.Mul(dy, c.Sub(c.Scalar(1), c.Mul(n.Output, n.Output)))),
        ["HardSigmoid"] = (c, n, dy) => c.Flow(n, 0, () => c.Where(
            c.Builder.Binary("And", Above(c, n.Output, 0), Below(c, n.Output, 1)), c.Scale(dy, n.Float("alpha", 0.2f)))),
        ["HardSwish"] = (c, n, dy) => c.Flow(n, 0, () => HardSwish(c, n.Inputs[0], dy)),
        ["Gelu"] = (c, n, dy) => c.Flow(n, 0, () => c.Mul(dy, n.Text("approximate", "none") == "tanh" ? TanhGelu(c, n.Inputs[0]) : Gelu(c, n.Inputs[0]))),
        ["Softmax"] = (c, n, dy) => c.Flow(n, 0, () =>
            c.Mul(n.Output, c.Sub(dy, c.Builder.Reduce("ReduceSum", c.Mul(dy, n.Output), true, n.Int("axis", -1))))),
        ["LogSoftmax"] = (c, n, dy) => c.Flow(n, 0, () =>
            c.Sub(dy, c.Mul(c.Builder.Add("Exp", [n.Output]), c.Builder.Reduce("ReduceSum", dy, true, n.Int("axis", -1))))),
    };

    private static string Above(GradientContext c, string x, double bound) => c.Builder.Binary("Greater", x, c.Scalar(bound));

    private static string Below(GradientContext c, string x, double bound) => c.Builder.Binary("Less", x, c.Scalar(bound));

    private static string HardSwish(GradientContext c, string x, string dy)
    {
        var inside = c.Mul(dy, c.Add(c.Scale(x, 1 / 3.0), c.Scalar(0.5)));
        return c.Builder.Add("Where", [Above(c, x, 3), dy, c.Where(Above(c, x, -3), inside)]);
    }

    /// <summary>Φ(x) + x·φ(x) with u = x/√2: (1 + erf u + x·exp(ln √(2/π) − u²))/2, which takes the fewest operations.</summary>
    private static string Gelu(GradientContext c, string x)
    {
        var u = c.Scale(x, 1 / Math.Sqrt(2));
        var density = c.Builder.Add("Exp", [c.Sub(c.Scalar(Math.Log(2 / Math.PI) / 2), c.Mul(u, u))]);
        return c.Scale(c.Add(c.Add(c.Builder.Add("Erf", [u]), c.Mul(x, density)), c.Scalar(1)), 0.5);
    }

    /// <summary>With u = √(2/π)·(x + 0.044715·x³) and t = tanh u: (1 + t)/2 + x·(1 − t²)·u′/2.</summary>
    private static string TanhGelu(GradientContext c, string x)
    {
        var square = c.Mul(x, x);
        var slope = c.Scale(c.Add(c.Scale(square, 3 * 0.044715), c.Scalar(1)), Math.Sqrt(2 / Math.PI));
        var inner = c.Mul(x, c.Scale(c.Add(c.Scale(square, 0.044715), c.Scalar(1)), Math.Sqrt(2 / Math.PI)));
        var t = c.Builder.Add("Tanh", [inner]);
        var curve = c.Mul(c.Mul(x, slope), c.Sub(c.Scalar(1), c.Mul(t, t)));
        return c.Scale(c.Add(c.Add(t, c.Scalar(1)), curve), 0.5);
    }
}
