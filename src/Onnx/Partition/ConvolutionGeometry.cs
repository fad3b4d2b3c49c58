namespace Orchestrator.Onnx.Partition;

/// <summary>How a convolution slides over its input, with <c>auto_pad</c> resolved; one entry per spatial axis.</summary>
/// <param name="PadsBefore">Zeros put before the input.</param>
/// <param name="PadsAfter">Zeros put after it.</param>
public sealed record ConvolutionGeometry(
    IReadOnlyList<long> Kernel, IReadOnlyList<long> Strides, IReadOnlyList<long> Dilations, IReadOnlyList<long> PadsBefore, IReadOnlyList<long> PadsAfter)
{
    /// <summary>Whether X is the input itself: one kernel position, no stride, no padding.</summary>
    public bool IsPointwise => Kernel.Concat(Strides).All(v => v == 1) && PadsBefore.Concat(PadsAfter).All(v => v == 0);

    /// <summary>Output size along an axis of <paramref name="size"/> elements.</summary>
    public long OutputSize(int axis, long size) =>
        ((size + PadsBefore[axis] + PadsAfter[axis] - ((Kernel[axis] - 1) * Dilations[axis]) - 1) / Strides[axis]) + 1;

    /// <param name="inputShape">Needed only for <c>auto_pad</c> SAME.</param>
    /// <returns>Null, with the reason, where the attributes do not fit or SAME meets an unknown size.</returns>
    public static ConvolutionGeometry? Of(Node node, IReadOnlyList<long> weightShape, IReadOnlyList<long>? inputShape, out string reason)
    {
        long[] kernel = [.. weightShape.Skip(2)];
        var axes = kernel.Length;
        var strides = node.Ints("strides") ?? Filled(axes, 1);
        var dilations = node.Ints("dilations") ?? Filled(axes, 1);
        var pads = node.Ints("pads") ?? Filled(2 * axes, 0);
        reason = "its strides, dilations, pads or kernel_shape do not fit the weight";
        if (strides.Length != axes || dilations.Length != axes || pads.Length != 2 * axes || strides.Concat(dilations).Any(v => v < 1) || pads.Any(p => p < 0)
            || (node.Ints("kernel_shape") is { } stated && !stated.SequenceEqual(kernel)))
            return null;

        var autoPad = node.Text("auto_pad", "NOTSET");
        if (autoPad == "VALID")
            pads = Filled(2 * axes, 0);
        else if (autoPad is "SAME_UPPER" or "SAME_LOWER")
        {
            if (inputShape is null || inputShape.Count != axes + 2 || inputShape.Skip(2).Any(d => d < 0))
            {
                reason = $"auto_pad {autoPad} on an input whose size the model leaves open";
                return null;
            }
            pads = Same(kernel, strides, dilations, [.. inputShape.Skip(2)], autoPad == "SAME_LOWER");
        }
        return new ConvolutionGeometry(kernel, strides, dilations, pads[..axes], pads[axes..]);
    }

    private static long[] Same(long[] kernel, long[] strides, long[] dilations, long[] sizes, bool isLower)
    {
        var pads = new long[2 * kernel.Length];
        for (var i = 0; i < kernel.Length; i++)
        {
            var outputs = (sizes[i] + strides[i] - 1) / strides[i];
            var total = Math.Max(0, ((outputs - 1) * strides[i]) + ((kernel[i] - 1) * dilations[i]) + 1 - sizes[i]);
            var smaller = total / 2;
            pads[i] = isLower ? total - smaller : smaller;
            pads[i + kernel.Length] = total - pads[i];
        }
        return pads;
    }

    private static long[] Filled(int count, long value) => [.. Enumerable.Repeat(value, count)];
}
