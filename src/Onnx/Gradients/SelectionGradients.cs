namespace Orchestrator.Onnx.Gradients;

/// <summary>Operators that pick elements by position. What they pick is constant, so one product with a matrix of zeros and ones puts it back.</summary>
internal static class SelectionGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Slice"] = (c, n, dy) => c.FlowWhole(n, 0, () => Slice(c, n, dy)),
        ["Pad"] = (c, n, dy) => c.FlowWhole(n, 0, () => Pad(c, n, dy)),
        ["Gather"] = (c, n, dy) => c.FlowWhole(n, 0, () => Gather(c, n, dy)),
        ["Resize"] = (c, n, dy) => c.FlowWhole(n, 0, () => Resize(c, n, dy)),
    };

    /// <summary>Nearest neighbours at whole factors: every element is repeated, so its gradient is the sum over the repetitions.</summary>
    private static string Resize(GradientContext c, Node node, string dy)
    {
        var (x, y) = (c.Shape(node, 0), c.Shape(node, node.Output));
        long[] factors = [.. x.Zip(y, (a, b) => a > 0 && b % a == 0 ? b / a : 0)];
        var place = node.Text("coordinate_transformation_mode", "half_pixel");
        var rounding = node.Text("nearest_mode", "round_prefer_floor");
        var repeats = place is "half_pixel" or "pytorch_half_pixel" ? rounding is "round_prefer_floor" or "round_prefer_ceil"
            : place == "asymmetric" && (rounding == "floor" || (rounding == "round_prefer_floor" && factors.Max() <= 2));
        if (node.Text("mode", "nearest") != "nearest" || factors.Contains(0) || !repeats)
            throw new OnnxException($"node '{node.Name}'", "only a Resize that repeats its elements a whole number of times has a gradient rule");
        var apart = c.Reshape(dy, [.. x.Zip(factors, (a, f) => new[] { a, f }).SelectMany(pair => pair)]);
        return c.Builder.Reduce("ReduceSum", apart, false, [.. x.Select((_, i) => (2L * i) + 1)]);
    }

    private static string Slice(GradientContext c, Node node, string dy)
    {
        var x = c.Shape(node, 0);
        var (starts, ends) = (Needed(c, node, "starts", 1), Needed(c, node, "ends", 2));
        var axes = c.Integers(node, "axes", 3) ?? [.. starts.Select((_, i) => (long)i)];
        var steps = c.Integers(node, "steps", 4) ?? [.. starts.Select(_ => 1L)];
        long[] shape = [.. c.Shape(node, node.Output)];
        var pads = new long[2 * x.Count];
        for (var i = 0; i < axes.Length; i++)
        {
            var axis = (int)(axes[i] < 0 ? axes[i] + x.Count : axes[i]);
            var (size, count) = (x[axis], shape[axis]);
            var start = Math.Clamp(starts[i] < 0 ? starts[i] + size : starts[i], 0, steps[i] < 0 ? size - 1 : size);
            if (steps[i] == 1)
            {
                (pads[axis], pads[axis + x.Count]) = (start, size - start - count);
                continue;
            }
            dy = Scatter(c, dy, shape, axis, [.. Enumerable.Range(0, (int)count).Select(k => start + (k * steps[i]))], size);
            shape[axis] = size;
        }
        return pads.All(p => p == 0) ? dy : c.Builder.Pad(dy, pads);
    }

    private static string Pad(GradientContext c, Node node, string dy)
    {
        var x = c.Shape(node, 0);
        var pads = Needed(c, node, "pads", 1);
        var axes = c.Integers(node, "axes", 3) ?? [.. Enumerable.Range(0, x.Count).Select(i => (long)i)];
        if (node.Text("mode", "constant") != "constant" || pads.Any(p => p < 0))
            throw new OnnxException($"node '{node.Name}'", "only a Pad that adds a constant has a gradient rule");
        for (var i = 0; i < axes.Length; i++)
        {
            var axis = (int)(axes[i] < 0 ? axes[i] + x.Count : axes[i]);
            if (pads[i] != 0 || pads[i + axes.Length] != 0)
                dy = c.Builder.Slice(dy, axis, pads[i], pads[i] + x[axis]);
        }
        return dy;
    }

    private static string Gather(GradientContext c, Node node, string dy)
    {
        var x = c.Shape(node, 0);
        var axis = (int)(node.Int("axis", 0) is < 0 and var a ? a + x.Count : node.Int("axis", 0));
        var picks = Needed(c, node, "", 1);
        long[] picked = [.. x.Take(axis), picks.Length, .. x.Skip(axis + 1)];
        return Scatter(c, dy, picked, axis, [.. picks.Select(p => p < 0 ? p + x[axis] : p)], x[axis]);
    }

    /// <summary>Element k along an axis is added to element picks[k] of an axis of another size.</summary>
    private static string Scatter(GradientContext c, string dy, long[] shape, int axis, long[] picks, long size)
    {
        var places = new float[size * picks.Length];
        for (var k = 0; k < picks.Length; k++)
            places[(picks[k] * picks.Length) + k] = 1;
        var matrix = c.Builder.Constant(Tensor.FromFloats("places", [size, picks.Length], places));
        long[] folded = [shape.Take(axis).Aggregate(1L, (a, b) => a * b), picks.Length, shape.Skip(axis + 1).Aggregate(1L, (a, b) => a * b)];
        return c.Reshape(c.Builder.MatMul(matrix, c.Reshape(dy, folded)), [.. shape.Take(axis), size, .. shape.Skip(axis + 1)]);
    }

    private static long[] Needed(GradientContext c, Node node, string attribute, int input) =>
        c.Integers(node, attribute, input) ?? throw new OnnxException($"node '{node.Name}'", $"it lacks its input {input}");
}
