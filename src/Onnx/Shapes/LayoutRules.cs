namespace Orchestrator.Onnx.Shapes;

/// <summary>Operators that move elements and keep their values.</summary>
internal static class LayoutRules
{
    /// <summary>Whether the operator is one of these; its shape may stay unknown all the same.</summary>
    public static bool Apply(ShapeContext context, Node node)
    {
        switch (node.OpType)
        {
            case "Reshape":
                Set(context, node, Reshape(context, node));
                return true;
            case "Flatten":
                Set(context, node, Flatten(context, node));
                return true;
            case "Transpose":
                Set(context, node, Transpose(context, node));
                return true;
            case "Concat":
                Set(context, node, Concat(context, node));
                return true;
            case "Slice":
                Set(context, node, Slice(context, node));
                return true;
            case "Split":
                Split(context, node);
                return true;
            case "Squeeze":
                Set(context, node, Squeeze(context, node));
                return true;
            case "Unsqueeze":
                Set(context, node, Unsqueeze(context, node));
                return true;
            case "Gather":
                Set(context, node, Gather(context, node));
                return true;
            case "GatherElements":
                Set(context, node, context.Shape(node, 1));
                return true;
            case "DepthToSpace" or "SpaceToDepth":
                Set(context, node, Blocks(context, node));
                return true;
            default:
                return false;
        }
    }

    /// <summary>The axis counted from the front; null where it is out of range.</summary>
    public static int? Axis(long axis, int rank) => axis < -rank || axis >= rank ? null : (int)(axis < 0 ? axis + rank : axis);

    private static void Set(ShapeContext context, Node node, long[]? shape) => context.Set(node, shape);

    private static long[]? Reshape(ShapeContext context, Node node)
    {
        if ((node.Ints("shape") ?? context.Integers(node, 1)) is not { } wanted)
            return null;
        var x = context.Shape(node, 0);
        var shape = new long[wanted.Length];
        for (var i = 0; i < shape.Length; i++)
            shape[i] = wanted[i] == 0 && node.Int("allowzero", 0) == 0 ? (x is not null && i < x.Length ? x[i] : ShapeContext.Unknown)
                : wanted[i] == ShapeContext.UnknownValue ? ShapeContext.Unknown
                : wanted[i];
        var open = Array.FindAll(shape, d => d < 0).Length;
        if (open == 1 && x is not null && !x.Any(d => d < 0))
        {
            var rest = Product(shape.Where(d => d >= 0));
            if (rest > 0)
                shape[Array.FindIndex(shape, d => d < 0)] = Product(x) / rest;
        }
        return shape;
    }

    private static long[]? Flatten(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return null;
        var axis = node.Int("axis", 1);
        axis = axis < 0 ? axis + x.Length : axis;
        return axis < 0 || axis > x.Length ? null : [Product(x.Take((int)axis)), Product(x.Skip((int)axis))];
    }

    private static long[]? Transpose(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return null;
        var permutation = node.Ints("perm");
        if (permutation is null)
            return [.. x.Reverse()];
        return permutation.Length == x.Length && permutation.All(p => p >= 0 && p < x.Length) ? [.. permutation.Select(p => x[p])] : null;
    }

    private static long[]? Concat(ShapeContext context, Node node)
    {
        var shapes = Enumerable.Range(0, node.Inputs.Count).Select(i => context.Shape(node, i)).ToList();
        if (shapes.FirstOrDefault() is not { } first || shapes.Any(s => s?.Length != first.Length) || Axis(node.Int("axis", 0), first.Length) is not { } axis)
            return null;
        long[] shape = [.. first.Select((_, i) => shapes.Max(s => s![i]))];
        shape[axis] = shapes.Any(s => s![axis] < 0) ? ShapeContext.Unknown : shapes.Sum(s => s![axis]);
        return shape;
    }

    private static long[]? Slice(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return null;
        var starts = node.Ints("starts") ?? context.Integers(node, 1);
        var ends = node.Ints("ends") ?? context.Integers(node, 2);
        var hasAxes = node.HasAttribute("axes") || node.Input(3) is not null;
        var axes = context.KnownOrAttribute(node, "axes", 3) ?? (hasAxes || starts is null ? null : [.. Enumerable.Range(0, starts.Length).Select(i => (long)i)]);
        if (axes is null)
            return [.. x.Select(_ => ShapeContext.Unknown)];
        var steps = node.Input(4) is null ? null : context.Integers(node, 4) ?? [.. axes.Select(_ => ShapeContext.UnknownValue)];
        long[] shape = [.. x];
        for (var i = 0; i < axes.Length; i++)
        {
            if (Axis(axes[i], x.Length) is not { } axis)
                return null;
            shape[axis] = SliceRange.Count(x[axis], At(starts, i), At(ends, i), steps is null ? 1 : At(steps, i));
        }
        return shape;
    }

    private static long At(long[]? values, int index) => values is not null && index < values.Length ? values[index] : ShapeContext.UnknownValue;

    private static void Split(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x || Axis(node.Int("axis", 0), x.Length) is not { } axis)
            return;
        var hasSizes = node.HasAttribute("split") || node.Input(1) is not null;
        var sizes = context.KnownOrAttribute(node, "split", 1);
        var parts = node.Outputs.Count;
        var part = x[axis] < 0 ? ShapeContext.Unknown : (x[axis] + parts - 1) / parts;
        context.Set(node, [.. Enumerable.Range(0, parts).Select(i =>
        {
            long[] shape = [.. x];
            shape[axis] = sizes is not null && i < sizes.Length ? sizes[i]
                : hasSizes || part < 0 ? ShapeContext.Unknown
                : Math.Min(part, x[axis] - (i * part));
            return shape;
        })]);
    }

    private static long[]? Squeeze(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return null;
        var axes = context.KnownOrAttribute(node, "axes", 1);
        if (axes is null)
            return node.Input(1) is not null || x.Contains(ShapeContext.Unknown) ? null : [.. x.Where(d => d != 1)];
        var dropped = axes.Select(a => Axis(a, x.Length)).ToHashSet();
        return [.. x.Where((_, i) => !dropped.Contains(i))];
    }

    private static long[]? Unsqueeze(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x || context.KnownOrAttribute(node, "axes", 1) is not { } axes)
            return null;
        var rank = x.Length + axes.Length;
        var added = axes.Select(a => Axis(a, rank)).ToHashSet();
        if (added.Contains(null) || added.Count != axes.Length)
            return null;
        var next = 0;
        return [.. Enumerable.Range(0, rank).Select(i => added.Contains(i) ? 1 : x[next++])];
    }

    private static long[]? Gather(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x || context.Shape(node, 1) is not { } indices || Axis(node.Int("axis", 0), x.Length) is not { } axis)
            return null;
        return [.. x.Take(axis), .. indices, .. x.Skip(axis + 1)];
    }

    private static long[]? Blocks(ShapeContext context, Node node)
    {
        var size = node.Int("blocksize", 1);
        if (context.Shape(node, 0) is not { Length: 4 } x || size < 1)
            return null;
        var unfold = node.OpType == "DepthToSpace";
        long Scale(long d, bool up, long by) => d < 0 ? d : up ? d * by : d / by;
        return [x[0], Scale(x[1], !unfold, size * size), Scale(x[2], unfold, size), Scale(x[3], unfold, size)];
    }

    private static long Product(IEnumerable<long> dims) => dims.Aggregate(1L, (a, d) => a < 0 || d < 0 ? ShapeContext.Unknown : a * d);
}
