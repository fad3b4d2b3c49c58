namespace Orchestrator.Onnx.Shapes;

/// <summary>Operators that work element by element, alone or with NumPy's broadcasting.</summary>
internal static class ElementRules
{
    private static readonly HashSet<string> Unary =
    [
        "Abs", "Acos", "Acosh", "Asin", "Asinh", "Atan", "Atanh", "BatchNormalization", "Bernoulli", "BitwiseNot", "Cast", "CastLike", "Ceil", "Celu", "Clip",
        "Cos", "Cosh", "CumSum", "DequantizeLinear", "Elu", "Erf", "Exp", "Floor", "Gelu", "GroupNormalization", "HardSigmoid",
        "HardSwish", "Hardmax", "Identity", "InstanceNormalization", "IsInf", "IsNaN", "LRN", "LeakyRelu", "Log",
        "LogSoftmax", "LpNormalization", "MeanVarianceNormalization", "Mish", "Neg", "Not", "PRelu", "QuantizeLinear", "RMSNormalization",
        "RandomNormalLike", "RandomUniformLike", "Reciprocal", "Relu", "ReverseSequence", "Round", "Scatter", "ScatterElements", "ScatterND", "Selu", "Shrink", "Sigmoid", "Sign", "Sin", "Sinh", "Softmax", "Softplus",
        "Softsign", "Sqrt", "Swish", "Tan", "Tanh", "ThresholdedRelu", "Trilu",
    ];

    private static readonly HashSet<string> Broadcasting =
    [
        "Add", "And", "BitShift", "BitwiseAnd", "BitwiseOr", "BitwiseXor", "Div", "Equal", "Greater", "GreaterOrEqual", "Less", "LessOrEqual",
        "Max", "Mean", "Min", "Mod", "Mul", "Or", "Pow", "Sub", "Sum", "Where", "Xor",
    ];

    public static bool Apply(ShapeContext context, Node node)
    {
        if (Unary.Contains(node.OpType))
        {
            context.Set(node, context.Shape(node, 0));
            return true;
        }
        if (!Broadcasting.Contains(node.OpType))
            return false;
        var shape = context.Shape(node, 0);
        for (var i = 1; i < node.Inputs.Count; i++)
            shape = context.Shape(node, i) is { } other && shape is not null ? Broadcast(shape, other) : null;
        context.Set(node, shape);
        return true;
    }

    /// <summary>The common shape, or null where the shapes do not fit.</summary>
    public static long[]? Broadcast(long[] a, long[] b)
    {
        var shape = new long[Math.Max(a.Length, b.Length)];
        for (var i = 1; i <= shape.Length; i++)
        {
            var (x, y) = (i <= a.Length ? a[^i] : 1, i <= b.Length ? b[^i] : 1);
            if (x > 1 && y > 1 && x != y)
                return null;
            // An unknown size beside a known one above 1 can only be that one or 1.
            shape[^i] = x == 1 ? y : y == 1 ? x : Math.Max(x, y);
        }
        return shape;
    }
}
