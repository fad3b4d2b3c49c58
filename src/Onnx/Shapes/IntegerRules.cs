namespace Orchestrator.Onnx.Shapes;

/// <summary>Content of small integer tensors: exporters compute shapes in the graph (Shape, Gather, Concat, Reshape).</summary>
internal static class IntegerRules
{
    private const long Unknown = ShapeContext.UnknownValue;

    public static void Apply(ShapeContext context, Node node)
    {
        if (node.OpType == "Split")
        {
            Split(context, node);
            return;
        }
        var values = node.OpType switch
        {
            "Shape" => context.Shape(node, 0) is { } shape ? [.. ShapePart(node, shape).Select(d => d < 0 ? Unknown : d)] : null,
            "Size" => context.Shape(node, 0) is { } shape && !shape.Any(d => d < 0) ? [shape.Aggregate(1L, (a, d) => a * d)] : null,
            "Identity" or "Cast" or "Squeeze" or "Unsqueeze" or "Reshape" => IsFlat(context, node) ? context.Integers(node, 0) : null,
            "Concat" => Concat(context, node),
            "Gather" => Gather(context, node),
            "Slice" => Slice(context, node),
            "Add" => Combine(context, node, (a, b) => a + b),
            "Sub" => Combine(context, node, (a, b) => a - b),
            "Mul" => Combine(context, node, (a, b) => a * b),
            "Div" => Combine(context, node, (a, b) => b == 0 ? Unknown : a / b),
            "Max" => Combine(context, node, Math.Max),
            "Min" => Combine(context, node, Math.Min),
            "Equal" => Combine(context, node, (a, b) => a == b ? 1 : 0),
            "Where" => Where(context, node),
            "ConstantOfShape" => Filled(context, node),
            "ReduceProd" => context.Known(node, 0) is { } factors ? [factors.Aggregate(1L, (a, d) => a * d)] : null,
            "Range" => Range(context, node),
            _ => null,
        };
        if (values is { Length: <= ShapeContext.MaxComputed })
            context.SetIntegers(node.Output, values);
    }

    /// <summary>The dimensions that a Shape node gives; since operator set 15 it may take a part.</summary>
    public static long[] ShapePart(Node node, long[] shape)
    {
        var (from, to) = SliceRange.Bounds(shape.Length, node.Int("start", 0), node.Int("end", shape.Length), 1);
        return from < to ? shape[(int)from..(int)to] : [];
    }

    private static bool IsFlat(ShapeContext context, Node node) =>
        context.Shapes.GetValueOrDefault(node.Output) is not { Length: > 1 };

    private static void Split(ShapeContext context, Node node)
    {
        if (context.Integers(node, 0) is not { } values)
            return;
        var start = 0;
        foreach (var output in node.Outputs)
        {
            if (context.Shapes.GetValueOrDefault(output) is not [>= 0 and var count] || start + count > values.Length)
                return;
            context.SetIntegers(output, values[start..(start + (int)count)]);
            start += (int)count;
        }
    }

    private static long[]? Concat(ShapeContext context, Node node)
    {
        var all = new List<long>();
        for (var i = 0; i < node.Inputs.Count; i++)
        {
            if (all.Count > ShapeContext.MaxComputed)
                return null;
            if (context.Integers(node, i) is { } part)
                all.AddRange(part);
            else if (context.Shape(node, i) is [>= 0 and <= ShapeContext.MaxTracked and var count])
                all.AddRange(Enumerable.Repeat(Unknown, (int)count));
            else
                return null;
        }
        return IsFlat(context, node) ? [.. all] : null;
    }

    private static long[]? Gather(ShapeContext context, Node node)
    {
        if (context.Integers(node, 0) is not { } values || context.Known(node, 1) is not { } indices || node.Int("axis", 0) != 0)
            return null;
        return indices.All(i => i >= -values.Length && i < values.Length) ? [.. indices.Select(i => values[i < 0 ? i + values.Length : i])] : null;
    }

    private static long[]? Slice(ShapeContext context, Node node)
    {
        if (context.Integers(node, 0) is not { } values
            || context.KnownOrAttribute(node, "starts", 1) is not [var start] || context.KnownOrAttribute(node, "ends", 2) is not [var end])
            return null;
        var step = node.Input(4) is null ? 1 : context.Known(node, 4) is [var s] ? s : 0;
        if (step == 0)
            return null;
        var picked = new List<long>();
        var (from, to) = SliceRange.Bounds(values.Length, start, end, step);
        for (var i = from; step > 0 ? i < to : i > to; i += step)
            picked.Add(values[i]);
        return [.. picked];
    }

    private static long[]? Combine(ShapeContext context, Node node, Func<long, long, long> operation)
    {
        if (node.Inputs.Count != 2 || context.Integers(node, 0) is not { } a || context.Integers(node, 1) is not { } b)
            return null;
        if (a.Length != b.Length && a.Length != 1 && b.Length != 1)
            return null;
        var result = new long[Math.Max(a.Length, b.Length)];
        for (var i = 0; i < result.Length; i++)
        {
            var (x, y) = (a[a.Length == 1 ? 0 : i], b[b.Length == 1 ? 0 : i]);
            result[i] = x == Unknown || y == Unknown ? Unknown : unchecked(operation(x, y));
        }
        return result;
    }

    private static long[]? Where(ShapeContext context, Node node)
    {
        if (context.Integers(node, 0) is not { } condition || context.Integers(node, 1) is not { } yes || context.Integers(node, 2) is not { } no
            || yes.Length != condition.Length || no.Length != condition.Length)
            return null;
        return [.. condition.Select((c, i) => c == Unknown ? Unknown : c != 0 ? yes[i] : no[i])];
    }

    private static long[]? Filled(ShapeContext context, Node node)
    {
        if (context.Known(node, 0) is not [>= 0 and <= ShapeContext.MaxTracked and var count])
            return null;
        var value = node.Constant("value");
        return value is { ElementType: ElementType.Int64 or ElementType.Int32, Count: 1 } ? [.. Enumerable.Repeat(value.ReadLongs()[0], (int)count)] : null;
    }

    private static long[]? Range(ShapeContext context, Node node)
    {
        if (context.Known(node, 0) is not [var start] || context.Known(node, 2) is not [var delta]
            || context.Shapes.GetValueOrDefault(node.Output) is not [>= 0 and <= ShapeContext.MaxTracked and var count])
            return null;
        return [.. Enumerable.Range(0, (int)count).Select(i => start + (i * delta))];
    }
}
