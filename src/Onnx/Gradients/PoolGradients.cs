using Orchestrator.Onnx.Partition;

namespace Orchestrator.Onnx.Gradients;

/// <summary>Pools. Elements that share a window's maximum share its gradient.</summary>
internal static class PoolGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["AveragePool"] = (c, n, dy) => c.FlowWhole(n, 0, () => Average(c, n, dy)),
        ["MaxPool"] = (c, n, dy) => c.FlowWhole(n, 0, () => Max(c, n, dy)),
    };

    private static string Average(GradientContext c, Node node, string dy)
    {
        var (x, y, g) = Geometry(c, node);
        var counts = new float[y.Skip(2).Aggregate(1L, (a, b) => a * b)];
        var place = new long[g.Kernel.Count];
        for (var i = 0; i < counts.Length; i++)
        {
            counts[i] = 1f / place.Select((p, axis) => Covered(g, x[axis + 2], axis, p, node.Int("count_include_pad", 0) != 0)).Aggregate(1L, (a, b) => a * b);
            for (var axis = place.Length - 1; axis >= 0 && ++place[axis] == y[axis + 2]; axis--)
                place[axis] = 0;
        }
        long[] kernel = [x[1], 1, .. g.Kernel];
        var ones = new float[kernel.Aggregate(1L, (a, b) => a * b)];
        Array.Fill(ones, 1);
        var shares = c.Mul(dy, c.Builder.Constant(Tensor.FromFloats("shares", [1, 1, .. y.Skip(2)], counts)));
        return ConvolutionGradients.Spread(c, c.Builder.Constant(Tensor.FromFloats("ones", kernel, ones)), shares, g, x[1], x, y);
    }

    /// <summary>Every window's elements side by side as channels, by a convolution with kernels that are zero but for a one.</summary>
    private static string Max(GradientContext c, Node node, string dy)
    {
        var (x, y, g) = Geometry(c, node);
        var taps = g.Kernel.Aggregate(1L, (a, b) => a * b);
        var kernels = new float[x[1] * taps * taps];
        for (var i = 0L; i < x[1] * taps; i++)
            kernels[(i * taps) + (i % taps)] = 1;
        var pick = c.Builder.Constant(Tensor.FromFloats("taps", [x[1] * taps, 1, .. g.Kernel], kernels));
        // What ceil_mode reaches behind the padding is padding too.
        long[] after = [.. g.PadsAfter.Select((p, i) => Math.Max(p, ((y[i + 2] - 1) * g.Strides[i]) + ((g.Kernel[i] - 1) * g.Dilations[i]) + 1 - x[i + 2] - g.PadsBefore[i]))];
        long[] pads = [0, 0, .. g.PadsBefore, 0, 0, .. after];
        var padded = c.Builder.Add("Pad", [node.Inputs[0], c.Builder.Vector(pads), c.Scalar(float.MinValue)]);
        var windows = c.Builder.Add(
            "Conv",
            [padded, pick],
            NodeAttribute.Ints("strides", g.Strides), NodeAttribute.Ints("dilations", g.Dilations), NodeAttribute.Int("group", x[1]));
        long[] apart = [x[0], x[1], taps, .. y.Skip(2)];
        long[] one = [x[0], x[1], 1, .. y.Skip(2)];
        // A stride may leave windows behind those that the pool has.
        for (var i = 2; i < y.Count; i++)
            windows = c.Builder.Slice(windows, i, 0, y[i]);
        var isMax = c.Builder.Cast(c.Builder.Binary("Equal", c.Reshape(windows, apart), c.Reshape(node.Output, one)), ElementType.Float32);
        var share = c.Div(c.Reshape(dy, one), c.Builder.Reduce("ReduceSum", isMax, true, 2));
        var spread = c.Reshape(c.Mul(isMax, share), [x[0], x[1] * taps, .. y.Skip(2)]);
        return ConvolutionGradients.Spread(c, pick, spread, g, x[1], x, y);
    }

    private static (IReadOnlyList<long> X, IReadOnlyList<long> Y, ConvolutionGeometry Geometry) Geometry(GradientContext c, Node node)
    {
        var x = c.Shape(node, 0);
        var g = ConvolutionGeometry.Of(node, [1, 1, .. node.Ints("kernel_shape") ?? []], x, out var reason) ?? throw new OnnxException($"node '{node.Name}'", reason);
        return (x, c.Shape(node, node.Output), g);
    }

    private static long Covered(ConvolutionGeometry g, long size, int axis, long place, bool countsPads)
    {
        var (low, high) = countsPads ? (-g.PadsBefore[axis], size + g.PadsAfter[axis]) : (0, size);
        var start = (place * g.Strides[axis]) - g.PadsBefore[axis];
        return Enumerable.Range(0, (int)g.Kernel[axis]).Count(k => start + (k * g.Dilations[axis]) >= low && start + (k * g.Dilations[axis]) < high);
    }
}
