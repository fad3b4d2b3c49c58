using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;

namespace Orchestrator.Compression.Calibration;

/// <summary>
/// X·Xᵀ of a convolution whose kernel moves one element at a time along the last axis. Kernel positions b and b′ of that axis read
/// the same elements, shifted: entry (b, b′) of X·Xᵀ is Σ over w of z(w + b)·z(w + b′)ᵀ, where z holds the rows unfolded over the other
/// axes only. So all pairs with one difference d = b′ − b have a long sum in common and differ in a few edge elements: K long
/// products in place of K², and no K-fold copy of the input. Only sums are regrouped; nothing is subtracted.
/// </summary>
/// <param name="builder">The graph.</param>
/// <param name="z">The elements that any position reads, padding included; the leading dimensions are the rows.</param>
/// <param name="axis">The convolution's last axis in z.</param>
/// <param name="rows">Channels × kernel positions of the other axes.</param>
internal sealed class ShiftedProduct(GraphBuilder builder, string z, int axis, long rows, int kernel, long dilation)
{
    /// <summary>Whether the common part of all sums is longer than the edges, for an output of this size along the last axis.</summary>
    public static bool Suits(ConvolutionGeometry geometry, long outputSize) =>
        geometry.Strides[^1] == 1 && geometry.Kernel[^1] > 1 && outputSize > (geometry.Kernel[^1] - 1) * geometry.Dilations[^1];

    /// <summary>[rows·K, rows·K] with the last kernel axis as the fastest index of both dimensions.</summary>
    public string Build()
    {
        var blocks = new string[kernel, kernel];
        for (var d = 0; d < kernel; d++)
        {
            var common = Product((kernel - 1 - d) * dilation, -(kernel - 1) * dilation, endsFromEnd: true, d);
            for (var b = 0; b + d < kernel; b++)
            {
                blocks[b, b + d] = WithEdges(common, b, d);
                if (d > 0)
                    blocks[b + d, b] = builder.Transpose(blocks[b, b + d], 1, 0);
            }
        }

        return Interleave(blocks);
    }

    /// <summary>Position b has the edge elements from b to the common part at its left, and as many fewer at its right.</summary>
    private string WithEdges(string common, int b, int d)
    {
        var last = kernel - 1 - d;
        var sum = common;
        if (b < last)
            sum = builder.Binary("Add", sum, Product(b * dilation, last * dilation, endsFromEnd: false, d));
        if (b > 0)
            sum = builder.Binary("Add", sum, Product(-(kernel - 1) * dilation, -(kernel - 1 - b) * dilation, endsFromEnd: true, d));
        return sum;
    }

    /// <summary>Σ of z(w)·z(w + d)ᵀ over w from start to before end; negative numbers count from the padded end.</summary>
    private string Product(long start, long end, bool endsFromEnd, int d)
    {
        var left = Columns(start, end, endsFromEnd);
        var right = d == 0 ? left : Columns(start + (d * dilation), end + (d * dilation), endsFromEnd);
        return builder.Gemm(left, right, transB: true);
    }

    private string Columns(long start, long end, bool endsFromEnd) =>
        builder.Reshape(builder.Slice(z, axis, start, endsFromEnd && end == 0 ? int.MaxValue : end), rows, -1);

    private string Interleave(string[,] blocks)
    {
        var all = Enumerable.Range(0, kernel);
        return builder.Reshape(
            builder.Concat(1, all.Select(b => builder.Reshape(builder.Concat(2, all.Select(c => builder.Unsqueeze(blocks[b, c], 2))), rows, 1, -1))),
            rows * kernel,
            -1);
    }
}
