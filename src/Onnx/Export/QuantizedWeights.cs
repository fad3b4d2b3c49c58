using Orchestrator.Onnx.Partition;

namespace Orchestrator.Onnx.Export;

/// <summary>How a layer's codes were written.</summary>
/// <param name="StoredAs">Integer type of the initializer, or the weight's real type where it stayed in float.</param>
/// <param name="Reason">Why it is wider than the codes need, or float; null where it is as narrow as ONNX allows.</param>
public sealed record QuantizedExport(string Layer, int Bits, ElementType StoredAs, string? Reason)
{
    public bool IsInteger => !StoredAs.IsReal();
}

/// <summary>
/// Writes quantized layers: the float weight becomes an integer initializer and a DequantizeLinear with one scale and zero point per output
/// channel, scale·(code − zero). A code equal to its zero point gives an exact zero.
/// </summary>
public static class QuantizedWeights
{
    /// <summary>First operator set with a scale per channel.</summary>
    public const int PerChannelOpset = 13;

    /// <summary>First operator set with 4-bit integers.</summary>
    public const int FourBitOpset = 21;

    /// <summary>Writes the codes in the narrowest form the model allows, raising its operator set as far as that form needs.</summary>
    /// <param name="codes">[rows × columns] in the order of <see cref="LayerMatrix"/>.</param>
    /// <param name="scales">One per row, finite.</param>
    /// <param name="zeros">One per row.</param>
    /// <param name="bits">2 to 8; codes of up to 4 bits are stored in 4, others in 8.</param>
    /// <exception cref="OnnxException">Sizes do not fit, or a scale is not finite.</exception>
    public static QuantizedExport Apply(OnnxModel model, Layer layer, ReadOnlySpan<int> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> zeros, int bits)
    {
        Check(layer, codes, scales, zeros, bits);
        string? reason = null;
        foreach (var type in bits <= 4 ? [ElementType.UInt4, ElementType.UInt8] : new[] { ElementType.UInt8 })
        {
            var opset = type == ElementType.UInt4 ? FourBitOpset : PerChannelOpset;
            if (OpsetUpgrade.FindBlockers(model, opset) is [var blocker, ..])
            {
                reason = $"operator set {opset} is needed for {type.OnnxName()} and blocked by {blocker}";
                continue;
            }
            if (ShiftedCodes.Fit(type, codes, zeros, layer.Rows) is not { } fitted)
            {
                reason ??= $"codes and zero points together exceed the range of {type.OnnxName()}";
                continue;
            }
            OpsetUpgrade.Raise(model, opset);
            Write(layer, type, fitted, scales);
            return new QuantizedExport(layer.Name, bits, type, reason);
        }
        LayerMatrix.Write(layer, Dequantize(codes, scales, zeros));
        return new QuantizedExport(layer.Name, bits, layer.Weight.Tensor.ElementType, reason);
    }

    /// <summary>scale·(code − zero) per row, in float32, as the runtime computes it.</summary>
    public static float[] Dequantize(ReadOnlySpan<int> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> zeros)
    {
        var values = new float[codes.Length];
        var columns = codes.Length / Math.Max(1, scales.Length);
        for (var i = 0; i < values.Length; i++)
            values[i] = scales[i / columns] * (codes[i] - zeros[i / columns]);
        return values;
    }

    private static void Check(Layer layer, ReadOnlySpan<int> codes, ReadOnlySpan<float> scales, ReadOnlySpan<int> zeros, int bits)
    {
        if (bits is < 2 or > 8)
            throw new OnnxException(layer.Name, $"{bits} bits are asked for; 2 to 8 are supported");
        if (codes.Length != (long)layer.Rows * layer.Columns || scales.Length != layer.Rows || zeros.Length != layer.Rows)
            throw new OnnxException(layer.Name, $"{codes.Length} codes, {scales.Length} scales and {zeros.Length} zero points do not fit [{layer.Rows} × {layer.Columns}]");
        foreach (var scale in scales)
            if (!float.IsFinite(scale))
                throw new OnnxException(layer.Name, $"a scale is {scale}");
    }

    private static void Write(Layer layer, ElementType type, ShiftedCodes fitted, ReadOnlySpan<float> scales)
    {
        var (graph, weight, name) = (layer.Graph, layer.Weight, layer.Weight.Storage);
        var (realType, shape) = (weight.ReadAs, weight.Tensor.Shape);
        var stored = layer.IsTransposed ? LayerMatrix.Transpose<int>(fitted.Codes, layer.Rows, layer.Columns) : fitted.Codes;
        var quantized = graph.AddInitializer(Tensor.FromCodes(graph.UniqueName($"{name}_quantized"), type, shape, stored));
        var scale = graph.AddInitializer(Tensor.FromFloats(graph.UniqueName($"{name}_scale"), [layer.Rows], scales));
        var zero = graph.AddInitializer(Tensor.FromCodes(graph.UniqueName($"{name}_zero_point"), type, [layer.Rows], fitted.Zeros));

        var first = layer.FirstNode;
        var value = Added(graph, first, "DequantizeLinear", [quantized.Name, scale.Name, zero.Name], name, NodeAttribute.Int("axis", layer.RowAxis));
        if (realType != ElementType.Float32)
            value = Added(graph, first, "Cast", [value], name, NodeAttribute.Int("to", (long)realType));

        foreach (var node in layer.Nodes)
            node.SetInput(layer.WeightInput, value);
        weight.RemoveUnread();
    }

    private static string Added(Graph graph, Node before, string opType, IEnumerable<string> inputs, string weight, NodeAttribute attribute) =>
        graph.Add(new Node(opType, graph.UniqueName($"{before.Name}/{opType}"), inputs, [graph.UniqueName($"{weight}_dequantized")], attribute), before).Output;
}
