namespace Orchestrator.Onnx.Export;

/// <summary>
/// Writes quantized activations: QuantizeLinear and DequantizeLinear with one scale and zero point behind what computes the value,
/// scale·(clip(round(x / scale) + zero, 0, 2^bits − 1) − zero). Codes are 8-bit integers; where they are to be narrower, a Clip before keeps the others out.
/// </summary>
/// <remarks>
/// ONNX has 4-bit codes too, but ONNX Runtime (1.30) refuses every model in which a Clip, ReLU6 for one, stands before a QuantizeLinear to them
/// (its fusion of the two knows no 4-bit zero point), and has no kernel that would be faster with them.
/// </remarks>
public static class QuantizedActivations
{
    /// <summary>Quantizes a value under its own name: whoever reads it gets the quantized one. The operator set is raised to 13 where it is older.</summary>
    /// <param name="scale">Above 0.</param>
    /// <param name="zero">The code of 0, from 0 to 2^bits − 1.</param>
    /// <param name="bits">2 to 8.</param>
    /// <exception cref="OnnxException">The model computes no such value, the grid is none, or the operator set is too old and cannot be raised.</exception>
    public static void Apply(OnnxModel model, string value, float scale, int zero, int bits)
    {
        if (bits is < 2 or > 8 || !float.IsFinite(scale) || scale <= 0 || zero < 0 || zero >= 1 << bits)
            throw new OnnxException(value, $"{bits} bits, a scale of {scale} and a zero point of {zero} are no grid");
        OpsetUpgrade.Raise(model, OpsetUpgrade.MinTarget);
        var (graph, most) = (model.Graph, (1 << bits) - 1);
        var raw = graph.MoveAside(value);
        var bounded = most == byte.MaxValue ? raw : Clipped(graph, value, raw, scale * -zero, scale * (most - zero));
        var step = graph.AddInitializer(Tensor.FromFloats(graph.UniqueName($"{value}/scale"), [], [scale])).Name;
        var origin = graph.AddInitializer(Tensor.FromCodes(graph.UniqueName($"{value}/zero_point"), ElementType.UInt8, [], [zero])).Name;
        var codes = Added(graph, "QuantizeLinear", [bounded, step, origin], value, $"{value}/quantized");
        graph.Add(new Node("DequantizeLinear", graph.UniqueName($"{value}/DequantizeLinear"), [codes, step, origin], [value]));
    }

    /// <summary>
    /// The value within the levels of its ends. They are rounded products, but so near to whole steps that they have the codes of the ends, and what lies
    /// beyond them in exact arithmetic has those too.
    /// </summary>
    private static string Clipped(Graph graph, string value, string raw, float low, float high)
    {
        var (least, most) = (graph.AddInitializer(Tensor.FromFloats(graph.UniqueName($"{value}/min"), [], [low])), graph.AddInitializer(Tensor.FromFloats(graph.UniqueName($"{value}/max"), [], [high])));
        return Added(graph, "Clip", [raw, least.Name, most.Name], value, $"{value}/clipped");
    }

    private static string Added(Graph graph, string opType, IEnumerable<string> inputs, string value, string output) =>
        graph.Add(new Node(opType, graph.UniqueName($"{value}/{opType}"), inputs, [graph.UniqueName(output)])).Output;
}
