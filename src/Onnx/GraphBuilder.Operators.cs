namespace Orchestrator.Onnx;

/// <summary>Operators whose form depends on the operator set, and the ones that generated graphs use all the time.</summary>
public sealed partial class GraphBuilder
{
    public string Identity(string value) => Add("Identity", [value]);

    public string MatMul(string a, string b) => Add("MatMul", [a, b]);

    /// <summary>a·b with either matrix transposed; both are of rank 2.</summary>
    public string Gemm(string a, string b, string? c = null, bool transA = false, bool transB = false)
    {
        string[] inputs = c is not null ? [a, b, c] : Opset >= 11 ? [a, b] : [a, b, Scalar(0)];
        return Add("Gemm", inputs, NodeAttribute.Int("transA", transA ? 1 : 0), NodeAttribute.Int("transB", transB ? 1 : 0));
    }

    /// <summary>Sum, Sub, Mul, Div and the like, with NumPy's broadcasting.</summary>
    public string Binary(string opType, string a, string b) => Add(opType, [a, b]);

    public string Cast(string value, ElementType type) => Add("Cast", [value], NodeAttribute.Int("to", (long)type));

    public string Transpose(string value, params IEnumerable<long> permutation) =>
        Add("Transpose", [value], NodeAttribute.Ints("perm", permutation));

    /// <summary>0 copies a dimension, one -1 takes what is left.</summary>
    public string Reshape(string value, params ReadOnlySpan<long> shape) => Add("Reshape", [value, Vector(shape)]);

    public string Concat(int axis, params IEnumerable<string> values) => Add("Concat", values, NodeAttribute.Int("axis", axis));

    public string Unsqueeze(string value, params long[] axes) => WithAxes("Unsqueeze", value, axes, 13);

    public string Squeeze(string value, params long[] axes) => WithAxes("Squeeze", value, axes, 13);

    /// <summary>ReduceSum, ReduceMean, ReduceMax, ReduceMin, ReduceSumSquare, … over the axes.</summary>
    public string Reduce(string opType, string value, bool keepDimensions, params long[] axes) =>
        WithAxes(opType, value, axes, opType == "ReduceSum" ? 13 : 18, NodeAttribute.Int("keepdims", keepDimensions ? 1 : 0));

    /// <param name="pads">Before each axis, then after each axis: twice as many numbers as the value has axes.</param>
    public string Pad(string value, IReadOnlyList<long> pads) =>
        Opset >= 11 ? Add("Pad", [value, Vector([.. pads])]) : Add("Pad", [value], NodeAttribute.Ints("pads", pads));

    /// <summary>Elements start, start + step, … below end along one axis.</summary>
    /// <param name="end">Exclusive; may exceed the axis. Before operator set 10 a step other than 1 needs the true end.</param>
    public string Slice(string value, long axis, long start, long end, long step = 1)
    {
        if (Opset >= 10)
            return Add("Slice", [value, Vector(start), Vector(end), Vector(axis), Vector(step)]);
        if (step == 1)
            return Add("Slice", [value], NodeAttribute.Ints("starts", start), NodeAttribute.Ints("ends", end), NodeAttribute.Ints("axes", axis));
        var picks = new List<long>();
        for (var i = start; i < end; i += step)
            picks.Add(i);
        return Add("Gather", [value, Vector([.. picks])], NodeAttribute.Int("axis", axis));
    }

    /// <summary>One strided slice over several axes at once; operator set 10 or newer.</summary>
    /// <exception cref="OnnxException">The operator set is older.</exception>
    public string Slice(string value, ReadOnlySpan<long> axes, ReadOnlySpan<long> starts, ReadOnlySpan<long> ends, ReadOnlySpan<long> steps) =>
        Opset >= 10
            ? Add("Slice", [value, Vector(starts), Vector(ends), Vector(axes), Vector(steps)])
            : throw new OnnxException("Slice", $"a slice with steps over several axes needs operator set 10; the graph has {Opset}");

    private string WithAxes(string opType, string value, long[] axes, int inputSince, params IEnumerable<NodeAttribute> attributes) =>
        Opset >= inputSince
            ? Add(opType, [value, Vector(axes)], attributes)
            : Add(opType, [value], attributes.Append(NodeAttribute.Ints("axes", axes)));
}
