namespace Orchestrator.Onnx.Shapes;

/// <summary>Operators whose outputs have shapes of their own: several outputs, or axes put together from several inputs.</summary>
internal static class OutputRules
{
    public static bool Apply(ShapeContext context, Node node)
    {
        switch (node.OpType)
        {
            case "Dropout":
                var x = context.Shape(node, 0);
                context.Set(node, x, x);
                return true;
            case "LayerNormalization":
                LayerNormalization(context, node);
                return true;
            case "LSTM" or "GRU" or "RNN":
                Recurrent(context, node);
                return true;
            case "DynamicQuantizeLinear":
                context.Set(node, context.Shape(node, 0), [], []);
                return true;
            case "Einsum":
                Set(context, node, Einsum(context, node));
                return true;
            case "GatherND":
                Set(context, node, GatherND(context, node));
                return true;
            case "GridSample":
                Set(context, node, GridSample(context, node));
                return true;
            case "NonZero":
                Set(context, node, context.Shape(node, 0) is { } of ? [Math.Max(1, of.Length), ShapeContext.Unknown] : null);
                return true;
            case "OneHot":
                Set(context, node, OneHot(context, node));
                return true;
            case "QLinearMatMul":
                MatrixRules.MatMul(context, node, right: 3);
                return true;
            case "RoiAlign":
                Set(context, node, context.Shape(node, 0) is [_, var channels, ..] && context.Shape(node, 1) is [var rois, ..]
                    ? [rois, channels, node.Int("output_height", 1), node.Int("output_width", 1)]
                    : null);
                return true;
            default:
                return false;
        }
    }

    private static void Set(ShapeContext context, Node node, long[]? shape) => context.Set(node, shape);

    /// <summary>Mean and inverse deviation keep the normalized axes with one element.</summary>
    private static void LayerNormalization(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x || LayoutRules.Axis(node.Int("axis", -1), x.Length) is not { } axis)
            return;
        long[] statistics = [.. x.Select((d, i) => i < axis ? d : 1)];
        context.Set(node, x, statistics, statistics);
    }

    /// <summary>Y, the last hidden state and, for an LSTM, the last cell state.</summary>
    private static void Recurrent(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not [var first, var second, _])
            return;
        var hidden = node.HasAttribute("hidden_size") ? node.Int("hidden_size", 0)
            : context.Shape(node, 2) is [_, _, var size] ? size
            : ShapeContext.Unknown;
        var directions = node.Text("direction", "forward") == "bidirectional" ? 2 : 1;
        var batchFirst = node.Int("layout", 0) == 1;
        long[] state = batchFirst ? [first, directions, hidden] : [directions, second, hidden];
        context.Set(node, batchFirst ? [first, second, directions, hidden] : [first, directions, second, hidden], state, state);
    }

    private static long[]? Einsum(ShapeContext context, Node node)
    {
        var sides = node.Text("equation", "").Replace(" ", "", StringComparison.Ordinal).Split("->");
        var terms = sides[0].Split(',');
        // Letters for broadcast axes would have to be made up; exporters name every axis.
        if (sides.Length != 2 || sides[0].Contains('.', StringComparison.Ordinal) || terms.Length != node.Inputs.Count)
            return null;
        var sizes = new Dictionary<char, long>();
        for (var i = 0; i < terms.Length; i++)
        {
            if (context.Shape(node, i) is not { } shape || shape.Length != terms[i].Length)
                return null;
            foreach (var (letter, size) in terms[i].Zip(shape))
                sizes[letter] = Math.Max(size, sizes.GetValueOrDefault(letter, ShapeContext.Unknown));
        }

        return [.. sides[1].Select(letter => sizes.GetValueOrDefault(letter, ShapeContext.Unknown))];
    }

    private static long[]? GatherND(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } x || context.Shape(node, 1) is not [.. var outer, >= 0 and var last])
            return null;
        var skipped = node.Int("batch_dims", 0) + last;
        return skipped > x.Length ? null : [.. outer, .. x.Skip((int)skipped)];
    }

    private static long[]? GridSample(ShapeContext context, Node node) =>
        context.Shape(node, 0) is [var samples, var channels, ..] && context.Shape(node, 1) is [_, .. var sizes, _] ? [samples, channels, .. sizes] : null;

    private static long[]? OneHot(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { } indices || LayoutRules.Axis(node.Int("axis", -1), indices.Length + 1) is not { } axis)
            return null;
        var depth = context.Known(node, 1) is [var d] ? d : ShapeContext.Unknown;
        return [.. indices.Take(axis), depth, .. indices.Skip(axis)];
    }
}
