namespace Orchestrator.Onnx.Shapes;

/// <summary>Operators that change how many elements there are: reductions, padding, resizing, repetition.</summary>
internal static class SizeRules
{
    public static void Apply(ShapeContext context, Node node)
    {
        if (node.OpType.StartsWith("Reduce", StringComparison.Ordinal))
        {
            Reduce(context, node);
            return;
        }
        switch (node.OpType)
        {
            case "ArgMax" or "ArgMin":
                Arg(context, node);
                break;
            case "Pad":
                Pad(context, node);
                break;
            case "Resize" or "Upsample":
                Resize(context, node);
                break;
            case "Expand":
                if (context.Shape(node, 0) is { } x && Dimensions(context, node, 1) is { } wanted)
                    context.Set(node, ElementRules.Broadcast(x, wanted));
                break;
            case "ConstantOfShape":
                context.Set(node, Dimensions(context, node, 0));
                break;
            case "Tile":
                if (context.Shape(node, 0) is { } tile && context.Integers(node, 1) is { } repeats && repeats.Length == tile.Length)
                    context.Set(node, [.. tile.Zip(repeats, (d, r) => d < 0 || r < 0 ? ShapeContext.Unknown : d * r)]);
                break;
            case "Shape":
                if (context.Shape(node, 0) is { } of)
                    context.Set(node, [IntegerRules.ShapePart(node, of).Length]);
                break;
            case "Size":
                context.Set(node, (long[])[]);
                break;
            case "Range":
                context.Set(node, [RangeCount(context, node)]);
                break;
            case "TopK":
                TopK(context, node);
                break;
        }
    }

    private static long[]? Dimensions(ShapeContext context, Node node, int input) =>
        context.Integers(node, input) is { } values ? [.. values.Select(v => v < 0 ? ShapeContext.Unknown : v)] : null;

    private static void Reduce(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return;
        var keep = node.Int("keepdims", 1) != 0;
        var axes = context.KnownOrAttribute(node, "axes", 1);
        if (axes is null && node.Input(1) is not null)
        {
            if (keep)
                context.Set(node, [.. x.Select(_ => ShapeContext.Unknown)]);
            return;
        }
        if (axes is null or [])
        {
            if (node.Int("noop_with_empty_axes", 0) != 0)
                context.Set(node, x);
            else
                context.Set(node, keep ? [.. x.Select(_ => 1L)] : []);
            return;
        }
        Drop(context, node, x, axes, keep);
    }

    private static void Arg(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is { } x)
            Drop(context, node, x, [node.Int("axis", 0)], node.Int("keepdims", 1) != 0);
    }

    private static void Drop(ShapeContext context, Node node, long[] x, long[] axes, bool keep)
    {
        var reduced = axes.Select(a => LayoutRules.Axis(a, x.Length)).ToHashSet();
        context.Set(node, keep
            ? [.. x.Select((d, i) => reduced.Contains(i) ? 1 : d)]
            : [.. x.Where((_, i) => !reduced.Contains(i))]);
    }

    private static void Pad(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return;
        var pads = node.Ints("pads") ?? node.Ints("paddings") ?? context.Known(node, 1);
        var axes = node.Input(3) is null ? [.. Enumerable.Range(0, x.Length).Select(i => (long)i)] : context.Known(node, 3);
        if (pads is null || axes is null || pads.Length != 2 * axes.Length)
        {
            context.Set(node, [.. x.Select(_ => ShapeContext.Unknown)]);
            return;
        }
        long[] shape = [.. x];
        for (var i = 0; i < axes.Length; i++)
            if (LayoutRules.Axis(axes[i], x.Length) is { } axis && x[axis] >= 0)
                shape[axis] = x[axis] + pads[i] + pads[i + axes.Length];
        context.Set(node, shape);
    }

    private static void Resize(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x)
            return;
        var isOld = node.OpType == "Upsample" || context.Opset < 11;
        var scales = node.Floats("scales") ?? context.Floats(node, isOld ? 1 : 2);
        var sizes = isOld ? null : context.Known(node, 3);
        var axes = node.Ints("axes") ?? [.. Enumerable.Range(0, x.Length).Select(i => (long)i)];
        long[] shape = [.. x];
        for (var i = 0; i < axes.Length; i++)
        {
            if (LayoutRules.Axis(axes[i], x.Length) is not { } axis)
                return;
            shape[axis] = sizes?.Length == axes.Length ? sizes[i]
                : scales?.Length == axes.Length && x[axis] >= 0 ? (long)Math.Floor(x[axis] * (double)scales[i])
                : ShapeContext.Unknown;
        }
        context.Set(node, shape);
    }

    private static long RangeCount(ShapeContext context, Node node)
    {
        if (context.Known(node, 0) is not [var start] || context.Known(node, 1) is not [var limit] || context.Known(node, 2) is not [var delta] || delta == 0)
            return ShapeContext.Unknown;
        return Math.Max(0, (long)Math.Ceiling((limit - start) / (double)delta));
    }

    private static void TopK(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x || LayoutRules.Axis(node.Int("axis", -1), x.Length) is not { } axis)
            return;
        long[] shape = [.. x];
        shape[axis] = node.HasAttribute("k") ? node.Int("k", 0) : context.Known(node, 1) is [var k] ? k : ShapeContext.Unknown;
        context.Set(node, shape, shape);
    }
}
