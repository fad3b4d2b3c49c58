namespace Orchestrator.Onnx.Gradients;

/// <summary>
/// Straight-through estimators. Rounding passes the gradient as if it were not there. Clip passes it where it changes nothing, so at the
/// ends of its range too, as step sizes are learned with (Esser et al., LSQ, eq. 3); a quantization passes it where its codes reach.
/// </summary>
internal static class RoundingGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Round"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Floor"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Ceil"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Clip"] = (c, n, dy) =>
        {
            c.Refuse(n, 1, 2);
            c.Flow(n, 0, () => c.Mask(c.Builder.Binary("Equal", n.Inputs[0], n.Output), dy));
        },
        ["QuantizeLinear"] = Quantize,
        ["DequantizeLinear"] = (c, n, dy) =>
        {
            c.Refuse(n, 1, 2);
            c.Flow(n, 0, () => c.Mul(dy, Along(c, n, n.Inputs[1])));
        },
    };

    /// <summary>A code grows with x/s as long as the type holds it; what is rounded beyond its ends is clipped there.</summary>
    private static void Quantize(GradientContext c, Node node, string dy)
    {
        c.Refuse(node, 1, 2);
        var zero = node.Input(2) is { } name ? WeightView.Find(c.Builder.Model.Graph, name)?.Tensor : null;
        var type = node.Input(2) is null ? (ElementType)node.Int("output_dtype", (long)ElementType.UInt8) : zero?.ElementType;
        if (type is null || Codes(type.Value) is not var (lowest, highest))
            throw new OnnxException($"node '{node.Name}'", "the gradient needs a zero point that is a constant and codes that are whole numbers of at most 16 bits");
        c.Flow(node, 0, () =>
        {
            var scale = Along(c, node, node.Inputs[1]);
            var code = c.Builder.Add("Round", [c.Div(node.Inputs[0], scale)]);
            if (zero is not null)
                code = c.Add(code, Along(c, node, c.Builder.Constant(Tensor.FromReals("zero", ElementType.Float32, [.. zero.Shape], zero.ReadDoubles()))));
            var below = c.Builder.Binary("Less", code, c.Scalar(lowest));
            var above = c.Builder.Binary("Greater", code, c.Scalar(highest));
            return c.Builder.Add("Where", [above, c.Scalar(0), c.Builder.Add("Where", [below, c.Scalar(0), c.Div(dy, scale)])]);
        });
    }

    private static (double Lowest, double Highest)? Codes(ElementType type) => type switch
    {
        ElementType.UInt4 => (0, 15),
        ElementType.Int4 => (-8, 7),
        ElementType.UInt8 => (byte.MinValue, byte.MaxValue),
        ElementType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
        ElementType.UInt16 => (ushort.MinValue, ushort.MaxValue),
        ElementType.Int16 => (short.MinValue, short.MaxValue),
        _ => null,
    };

    /// <summary>Scales or zero points as they are broadcast: one, or one an entry of the node's axis.</summary>
    private static string Along(GradientContext c, Node node, string values)
    {
        var (shape, count) = (c.Shape(node, 0), c.Shape(node, node.Inputs[1]));
        if (node.Int("block_size", 0) != 0)
            throw new OnnxException($"node '{node.Name}'", "there is no gradient for scales in blocks");
        if (count.All(d => d == 1))
            return count.Count == 0 ? values : c.Reshape(values, []);
        var axis = (int)node.Int("axis", 1);
        return c.Reshape(values, [.. shape.Select((d, i) => i == (axis < 0 ? axis + shape.Count : axis) ? d : 1)]);
    }
}
