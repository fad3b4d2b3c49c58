namespace Orchestrator.Onnx.Shapes;

/// <summary>Operators that slide a window: convolutions and pools.</summary>
internal static class WindowRules
{
    public static void Convolution(ShapeContext context, Node node)
    {
        var weight = node.Is("QLinearConv") ? 3 : 1;
        if (context.Shape(node, 0) is not { Length: >= 3 } x || context.Shape(node, weight) is not { } w || w.Length != x.Length)
            return;
        context.Set(node, [x[0], w[0], .. Slide(node, x, [.. w.Skip(2)], ceil: false)]);
    }

    public static void Pool(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { Length: >= 3 } x || node.Ints("kernel_shape") is not { } kernel || kernel.Length != x.Length - 2)
            return;
        long[] y = [x[0], x[1], .. Slide(node, x, kernel, node.Int("ceil_mode", 0) != 0)];
        context.Set(node, y, y);
    }

    public static void GlobalPool(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is { Length: >= 2 } x)
            context.Set(node, [x[0], x[1], .. x.Skip(2).Select(_ => 1L)]);
    }

    public static void TransposedConvolution(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { Length: >= 3 } x || context.Shape(node, 1) is not { } w || w.Length != x.Length)
            return;
        var axes = x.Length - 2;
        var sizes = new long[axes];
        for (var i = 0; i < axes; i++)
        {
            var stride = At(node.Ints("strides"), i, 1);
            var reach = ((w[i + 2] - 1) * At(node.Ints("dilations"), i, 1)) + 1;
            var pads = node.Ints("pads");
            var explicitSize = (stride * (x[i + 2] - 1)) + At(node.Ints("output_padding"), i, 0) + reach - At(pads, i, 0) - At(pads, i + axes, 0);
            sizes[i] = node.Ints("output_shape") is { } wanted ? wanted[i]
                : x[i + 2] < 0 || w[i + 2] < 0 ? ShapeContext.Unknown
                : node.Text("auto_pad", "NOTSET").StartsWith("SAME", StringComparison.Ordinal) ? x[i + 2] * stride
                : explicitSize;
        }
        context.Set(node, [x[0], w[1] * node.Int("group", 1), .. sizes]);
    }

    private static IEnumerable<long> Slide(Node node, long[] x, long[] kernel, bool ceil)
    {
        var autoPad = node.Text("auto_pad", "NOTSET");
        var pads = autoPad == "NOTSET" ? node.Ints("pads") : null;
        for (var i = 0; i < kernel.Length; i++)
        {
            var size = x[i + 2];
            var stride = Math.Max(1, At(node.Ints("strides"), i, 1));
            if (size < 0 || kernel[i] < 0)
            {
                yield return ShapeContext.Unknown;
                continue;
            }
            if (autoPad.StartsWith("SAME", StringComparison.Ordinal))
            {
                yield return (size + stride - 1) / stride;
                continue;
            }
            var reach = ((kernel[i] - 1) * At(node.Ints("dilations"), i, 1)) + 1;
            var before = At(pads, i, 0);
            var room = size + before + At(pads, i + kernel.Length, 0) - reach;
            var steps = ceil ? (room + stride - 1) / stride : room / stride;
            // A last window that would start in the padding behind the input does not count.
            if (ceil && steps * stride >= size + before)
                steps--;
            yield return room < 0 ? 0 : steps + 1;
        }
    }

    private static long At(long[]? values, int index, long otherwise) => values is not null && index < values.Length ? values[index] : otherwise;
}
