using Orchestrator.Onnx.Partition;

namespace Orchestrator.Onnx.Gradients;

/// <summary>Convolutions of any number of spatial axes, with groups, strides, dilations and padding.</summary>
internal static class ConvolutionGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule> { ["Conv"] = Conv };

    private static void Conv(GradientContext c, Node node, string dy)
    {
        var (x, w, y) = (c.Shape(node, 0), c.Shape(node, 1), c.Shape(node, node.Output));
        var geometry = ConvolutionGeometry.Of(node, w, x, out var reason) ?? throw new OnnxException($"node '{node.Name}'", reason);
        var group = node.Int("group", 1);
        c.FlowWhole(node, 0, () => OfInput(c, node.Inputs[1], dy, geometry, group, (x, w, y)));
        c.FlowWhole(node, 1, () => x[0] == 1 && IsAlongFirst(geometry) ? OfFirstAxis(c, node.Inputs[0], dy, geometry, group, (x, w, y))
            : geometry.Strides.All(s => s == 1) ? OfDenseWeight(c, node.Inputs[0], dy, geometry, group, (x, w, y))
            : group == 1 ? OfWholeWeight(c, node.Inputs[0], dy, geometry, (x, w, y))
            : OfWeight(c, node.Inputs[0], dy, geometry, group, (x, w, y)));
        c.FlowWhole(node, 2, () => c.Builder.Reduce("ReduceSum", dy, false, [0, .. Enumerable.Range(2, x.Count - 2).Select(i => (long)i)]));
    }

    private static string OfInput(
        GradientContext c, string weight, string dy, ConvolutionGeometry g, long group, (IReadOnlyList<long> X, IReadOnlyList<long> W, IReadOnlyList<long> Y) shape)
    {
        var axes = Enumerable.Range(0, g.Kernel.Count).ToArray();
        long Full(int i) => (g.Kernel[i] - 1) * g.Dilations[i];
        if (g.Strides.All(s => s == 1) && axes.All(i => Full(i) >= g.PadsBefore[i] && Full(i) >= g.PadsAfter[i]))
            return c.Builder.Add(
                "Conv",
                [dy, Flipped(c, weight, group, shape.W)],
                NodeAttribute.Ints("kernel_shape", g.Kernel),
                NodeAttribute.Ints("dilations", g.Dilations),
                NodeAttribute.Ints("pads", [.. axes.Select(i => Full(i) - g.PadsBefore[i]), .. axes.Select(i => Full(i) - g.PadsAfter[i])]),
                NodeAttribute.Int("group", group));
        return Spread(c, weight, dy, g, group, shape.X, shape.Y);
    }

    /// <summary>Every element of the gradient, times the kernel, added where its window lay.</summary>
    internal static string Spread(
        GradientContext c, string weight, string dy, ConvolutionGeometry g, long group, IReadOnlyList<long> x, IReadOnlyList<long> y)
    {
        var axes = Enumerable.Range(0, g.Kernel.Count).ToArray();
        long Full(int i) => (g.Kernel[i] - 1) * g.Dilations[i];
        // Elements behind the last window get nothing, so the transposed convolution ends before them.
        var rest = axes.Select(i => x[i + 2] + g.PadsBefore[i] + g.PadsAfter[i] - Full(i) - 1 - ((y[i + 2] - 1) * g.Strides[i])).ToArray();
        var dx = c.Builder.Add(
            "ConvTranspose",
            [dy, weight],
            NodeAttribute.Ints("kernel_shape", g.Kernel),
            NodeAttribute.Ints("strides", g.Strides),
            NodeAttribute.Ints("dilations", g.Dilations),
            NodeAttribute.Ints("pads", [.. g.PadsBefore, .. axes.Select(i => Math.Max(0, g.PadsAfter[i] - rest[i]))]),
            NodeAttribute.Int("group", group));
        long[] missing = [.. axes.Select(i => Math.Max(0, rest[i] - g.PadsAfter[i]))];
        return missing.All(m => m == 0) ? dx : c.Builder.Pad(dx, [0, 0, .. missing.Select(_ => 0L), 0, 0, .. missing]);
    }

    /// <summary>The weight with input and output channels of every group exchanged and all spatial axes turned round.</summary>
    private static string Flipped(GradientContext c, string weight, long group, IReadOnlyList<long> w)
    {
        var positions = w.Skip(2).Aggregate(1L, (a, b) => a * b);
        var (outputs, inputs) = (w[0] / group, w[1]);
        if (positions == 1)
            return c.Reshape(
                outputs > 1 || inputs > 1 ? c.Builder.Transpose(c.Reshape(weight, [group, outputs, inputs]), 0, 2, 1) : weight, [group * inputs, outputs, .. w.Skip(2)]);
        // Whole rows are turned round faster than single numbers, and one axis of a matrix is moved faster than two of an array.
        var rows = c.Builder.Transpose(c.Reshape(weight, [w[0] * inputs, positions]), 1, 0);
        var turned = c.Builder.Add(
            "Gather", [rows, c.Builder.Vector([.. Enumerable.Range(0, (int)positions).Select(i => positions - 1 - i)])], NodeAttribute.Int("axis", 0));
        var exchanged = outputs > 1 || inputs > 1 ? c.Builder.Transpose(c.Reshape(turned, [positions * group, outputs, inputs]), 0, 2, 1) : turned;
        var matrix = c.Builder.Add("Flatten", [c.Reshape(exchanged, [positions, w[0] * inputs])], NodeAttribute.Int("axis", 1));
        var value = c.Builder.Transpose(matrix, 1, 0);
        return c.Reshape(value, [group * inputs, outputs, .. w.Skip(2)]);
    }

    /// <summary>Whether the kernel is one along all axes but the first.</summary>
    private static bool IsAlongFirst(ConvolutionGeometry g) =>
        g.Kernel.Skip(1).Concat(g.Strides.Skip(1)).All(v => v == 1) && g.PadsBefore.Skip(1).Concat(g.PadsAfter.Skip(1)).All(p => p == 0);

    /// <summary>
    /// Of one sample, along one axis: for each position of the kernel a product of what its windows are with what they made, without padding, since only
    /// windows count whose element there is one of the input.
    /// </summary>
    private static string OfFirstAxis(
        GradientContext c, string input, string dy, ConvolutionGeometry g, long group, (IReadOnlyList<long> X, IReadOnlyList<long> W, IReadOnlyList<long> Y) shape)
    {
        var (outputs, inputs) = (shape.W[0] / group, shape.W[1]);
        string Product(long position)
        {
            var (stride, offset) = (g.Strides[0], (position * g.Dilations[0]) - g.PadsBefore[0]);
            var first = offset >= 0 ? 0 : (stride - 1 - offset) / stride;
            var end = Math.Min(shape.Y[2], shape.X[2] > offset ? ((shape.X[2] - 1 - offset) / stride) + 1 : 0);
            if (end <= first)
                return c.Zeros([group, outputs, inputs]);
            var made = first == 0 && end == shape.Y[2] ? dy : c.Builder.Slice(dy, 2, first, end);
            var seen = end - first == shape.X[2]
                ? input
                : c.Builder.Slice(input, 2, (first * stride) + offset, ((end - 1) * stride) + offset + 1, stride);
            return c.Builder.MatMul(c.Reshape(made, [group, outputs, -1]), c.Builder.Transpose(c.Reshape(seen, [group, inputs, -1]), 0, 2, 1));
        }
        string[] products = [.. Enumerable.Range(0, (int)g.Kernel[0]).Select(position => Product(position))];
        if (products.Length == 1)
            return c.Reshape(products[0], shape.W);
        var matrix = c.Builder.Concat(0, products.Select(product => c.Reshape(product, [1, group * outputs * inputs])));
        return c.Reshape(c.Builder.Transpose(matrix, 1, 0), shape.W);
    }

    /// <summary>
    /// Without strides: the input moved along its last axis and the gradient moved along the others, once for each position of the kernel there, side by side as
    /// channels. One product an image and group holds all their pairs, and of a k×k kernel 2·k moved copies are enough where the windows are k².
    /// </summary>
    private static string OfDenseWeight(
        GradientContext c, string input, string dy, ConvolutionGeometry g, long group, (IReadOnlyList<long> X, IReadOnlyList<long> W, IReadOnlyList<long> Y) shape)
    {
        var (batch, outputs, inputs, last) = (shape.X[0], shape.W[0] / group, shape.W[1], g.Kernel.Count - 1);
        var padded = g.PadsBefore.Concat(g.PadsAfter).All(p => p == 0) ? input : c.Builder.Pad(input, [0, 0, .. g.PadsBefore, 0, 0, .. g.PadsAfter]);
        string[] along = [.. Enumerable.Range(0, (int)g.Kernel[last]).Select(at =>
            g.Kernel[last] == 1 ? padded : c.Builder.Slice(padded, last + 2, at * g.Dilations[last], (at * g.Dilations[last]) + shape.Y[last + 2]))];
        long[] full = [.. Enumerable.Range(0, last).Select(i => (g.Kernel[i] - 1) * g.Dilations[i]), 0];
        string[] across = [.. Positions([.. g.Kernel.SkipLast(1)]).Select(position =>
        {
            long[] before = [.. position.Select((p, i) => p * g.Dilations[i]), 0];
            return full.All(f => f == 0) ? dy : c.Builder.Pad(dy, [0, 0, .. before, 0, 0, .. full.Zip(before, (f, b) => f - b)]);
        })];
        var length = shape.Y.Skip(2).Zip(full, (y, f) => y + f).Aggregate(1L, (a, d) => a * d);
        var products = outputs == 1 && inputs == 1
            ? Pairs(c, across, along, [batch, group, 1, length])
            : c.Builder.MatMul(
                SideBySide(c, across, [batch, group, outputs, length]),
                c.Builder.Transpose(SideBySide(c, along, [batch, group, inputs, length]), 0, 1, 3, 2));
        var sum = c.Reshape(c.Builder.Reduce("ReduceSum", products, false, 0), [group, across.Length, outputs, along.Length, inputs]);
        return c.Reshape(c.Builder.Transpose(sum, 0, 2, 4, 1, 3), shape.W);
    }

    /// <summary>Moved copies lie between group and channel, so that a group's are next to one another.</summary>
    private static string SideBySide(GradientContext c, string[] copies, long[] shape)
    {
        long[] whole = [shape[0], shape[1], copies.Length * shape[2], shape[3]];
        return copies.Length == 1 ? c.Reshape(copies[0], whole) : c.Reshape(c.Builder.Concat(2, copies.Select(copy => c.Reshape(copy, shape))), whole);
    }

    /// <summary>For groups of one channel: of every pair a product of two vectors, since a product of narrow matrices takes longer than the vectors' reading.</summary>
    private static string Pairs(GradientContext c, string[] left, string[] right, long[] shape)
    {
        string[] rows = [.. left.Select(l => c.Reshape(l, shape))];
        string[] others = [.. right.Select(r => c.Reshape(r, shape))];
        return c.Builder.Concat(2, rows.SelectMany(l => others.Select(r => c.Builder.Reduce("ReduceSum", c.Mul(l, r), true, 3))));
    }

    /// <summary>
    /// The windows of the input side by side, one slice for each position of the kernel, times the gradient: one product an image, all of them long ones.
    /// As a convolution with exchanged roles its products would be as narrow as the kernel.
    /// </summary>
    private static string OfWholeWeight(
        GradientContext c, string input, string dy, ConvolutionGeometry g, (IReadOnlyList<long> X, IReadOnlyList<long> W, IReadOnlyList<long> Y) shape)
    {
        var (batch, outputs, inputs) = (shape.X[0], shape.W[0], shape.W[1]);
        var positions = g.Kernel.Aggregate(1L, (a, b) => a * b);
        var length = shape.Y.Skip(2).Aggregate(1L, (a, b) => a * b);
        var padded = g.PadsBefore.Concat(g.PadsAfter).All(p => p == 0) ? input : c.Builder.Pad(input, [0, 0, .. g.PadsBefore, 0, 0, .. g.PadsAfter]);
        string[] windows = [.. Positions(g.Kernel).Select(position => Window(c, padded, position, g, shape.Y))];
        var columns = c.Reshape(windows.Length == 1 ? windows[0] : c.Builder.Concat(1, windows), [batch, positions * inputs, length]);
        var products = c.Builder.MatMul(c.Reshape(dy, [batch, outputs, length]), c.Builder.Transpose(columns, 0, 2, 1));
        var sum = c.Reshape(c.Builder.Reduce("ReduceSum", products, false, 0), [outputs, positions, inputs]);
        return c.Reshape(c.Builder.Transpose(sum, 0, 2, 1), shape.W);
    }

    /// <summary>What the kernel's weight at a position sees: an element for each of the output.</summary>
    private static string Window(GradientContext c, string padded, long[] position, ConvolutionGeometry g, IReadOnlyList<long> y)
    {
        var axes = Enumerable.Range(0, position.Length).ToArray();
        long[] starts = [.. axes.Select(i => position[i] * g.Dilations[i])];
        long[] ends = [.. axes.Select(i => starts[i] + ((y[i + 2] - 1) * g.Strides[i]) + 1)];
        return c.Builder.Slice(padded, [.. axes.Select(i => i + 2L)], starts, ends, [.. g.Strides]);
    }

    private static IEnumerable<long[]> Positions(IReadOnlyList<long> kernel) =>
        kernel.Aggregate<long, IEnumerable<long[]>>([[]], (before, size) => before.SelectMany(b => Enumerable.Range(0, (int)size).Select(i => (long[])[.. b, i])));

    /// <summary>A convolution of the input with the gradient, channels as batch and batch as channels; strides and dilations change roles.</summary>
    private static string OfWeight(
        GradientContext c, string input, string dy, ConvolutionGeometry g, long group, (IReadOnlyList<long> X, IReadOnlyList<long> W, IReadOnlyList<long> Y) shape)
    {
        var (batch, inputs) = (shape.X[0], shape.W[1]);
        long[] inner = [.. shape.X.Skip(2)];
        long[] spatial = [.. Enumerable.Range(2, inner.Length).Select(i => (long)i)];
        var x = group == 1
            ? c.Builder.Transpose(input, [1, 0, .. spatial])
            : c.Reshape(
                c.Builder.Transpose(c.Reshape(input, [batch, group, inputs, .. inner]), [2, 1, 0, .. spatial.Select(a => a + 1)]),
                [inputs, group * batch, .. inner]);
        var dw = c.Builder.Add(
            "Conv",
            [x, c.Builder.Transpose(dy, [1, 0, .. spatial])],
            NodeAttribute.Ints("kernel_shape", shape.Y.Skip(2)),
            NodeAttribute.Ints("strides", g.Dilations),
            NodeAttribute.Ints("dilations", g.Strides),
            NodeAttribute.Ints("pads", g.PadsBefore.Concat(g.PadsAfter)),
            NodeAttribute.Int("group", group));
        // Where the stride leaves a rest, there are more offsets than the kernel has positions.
        for (var i = 0; i < inner.Length; i++)
            if (g.Strides[i] > 1)
                dw = c.Builder.Slice(dw, i + 2, 0, g.Kernel[i]);
        return c.Builder.Transpose(dw, [1, 0, .. spatial]);
    }
}
