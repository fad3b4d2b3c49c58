namespace Orchestrator.Onnx.Gradients;

/// <summary>Arithmetic element by element, with NumPy's broadcasting.</summary>
internal static class ElementGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Add"] = (c, n, dy) => Each(c, n, _ => dy),
        ["Sum"] = (c, n, dy) => Each(c, n, _ => dy),
        ["Sub"] = (c, n, dy) => Each(c, n, i => i == 0 ? dy : c.Neg(dy)),
        ["Mul"] = Mul,
        ["Div"] = (c, n, dy) => Each(c, n, i => i == 0 ? c.Div(dy, n.Inputs[1]) : c.Neg(c.Div(c.Mul(dy, n.Output), n.Inputs[1]))),
        ["Neg"] = (c, n, dy) => c.Flow(n, 0, () => c.Neg(dy)),
        ["Abs"] = (c, n, dy) => c.Flow(n, 0, () =>
            c.Sub(c.Where(c.Builder.Binary("Greater", n.Inputs[0], c.Scalar(0)), dy), c.Where(c.Builder.Binary("Less", n.Inputs[0], c.Scalar(0)), dy))),
        ["Pow"] = Pow,
        ["Sqrt"] = (c, n, dy) => c.Flow(n, 0, () => c.Div(c.Scale(dy, 0.5), n.Output)),
        ["Exp"] = (c, n, dy) => c.Flow(n, 0, () => c.Mul(dy, n.Output)),
        ["Log"] = (c, n, dy) => c.Flow(n, 0, () => c.Div(dy, n.Inputs[0])),
        ["Reciprocal"] = (c, n, dy) => c.Flow(n, 0, () => c.Neg(c.Mul(dy, c.Mul(n.Output, n.Output)))),
        ["Erf"] = (c, n, dy) => c.Flow(n, 0, () =>
            c.Mul(dy, c.Scale(c.Builder.Add("Exp", [c.Neg(c.Mul(n.Inputs[0], n.Inputs[0]))]), 2 / Math.Sqrt(Math.PI)))),
        ["Min"] = Extreme,
        ["Max"] = Extreme,
        ["Where"] = (c, n, dy) =>
        {
            c.Flow(n, 1, () => c.Where(n.Inputs[0], dy));
            c.Flow(n, 2, () => c.Builder.Add("Where", [n.Inputs[0], c.Scalar(0), dy]));
        },
    };

    private static void Each(GradientContext c, Node node, Func<int, string> gradient)
    {
        for (var i = 0; i < node.Inputs.Count; i++)
        {
            var input = i;
            c.Flow(node, input, () => gradient(input));
        }
    }

    /// <summary>A square takes one product, and one with a constant that the runtime multiplies out beforehand where dy is one.</summary>
    private static void Mul(GradientContext c, Node node, string dy)
    {
        if (node.Inputs[0] == node.Inputs[1])
            c.Flow(node, 0, () => c.Mul(c.Scale(dy, 2), node.Inputs[0]));
        else
            Each(c, node, i => c.Mul(dy, node.Inputs[1 - i]));
    }

    private static void Pow(GradientContext c, Node node, string dy)
    {
        var (x, exponent) = (node.Inputs[0], node.Inputs[1]);
        c.Flow(node, 0, () => c.Mul(dy, c.Mul(exponent, c.Builder.Binary("Pow", x, c.Sub(exponent, c.Scalar(1))))));
        c.Flow(node, 1, () => c.Mul(dy, c.Mul(node.Output, c.Builder.Add("Log", [x]))));
    }

    /// <summary>The gradient goes to every input that equals the result: a bound written as Min or Max passes it at the bound itself.</summary>
    private static void Extreme(GradientContext c, Node node, string dy) =>
        Each(c, node, i => c.Where(c.Builder.Binary("Equal", node.Inputs[i], node.Output), dy));
}
