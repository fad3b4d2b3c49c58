using Orchestrator.Onnx.Partition;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// What a convolution of two axes sees of values [height, width, samples, channels]. Of a stride s every s-th row and column, s² images in all, are taken apart
/// once; a position of the kernel then sees a piece of one of them, and its gradient goes back without zeros between its elements.
/// </summary>
/// <param name="x">The input's shape [samples, channels, height, width].</param>
internal sealed class ConvolutionWindows(GraphBuilder b, ConvolutionGeometry g, IReadOnlyList<long> x)
{
    private readonly Dictionary<(long Row, long Column), string> _phases = [];

    /// <summary>Of the output.</summary>
    public long Height { get; } = g.OutputSize(0, x[2]);

    public long Width { get; } = g.OutputSize(1, x[3]);

    /// <summary>[height, width, samples, positions of the kernel · channels].</summary>
    public string SideBySide(string value)
    {
        var (rows, columns) = (Rows(0, Height), Rows(1, Width));
        var apart = b.Reshape(Fit(Fit(value, 0, rows * g.Strides[0]), 1, columns * g.Strides[1]), rows, g.Strides[0], columns, g.Strides[1], x[0], x[1]);
        var windows = new List<string>();
        for (var i = 0L; i < g.Kernel[0]; i++)
            for (var j = 0L; j < g.Kernel[1]; j++)
            {
                var ((down, row), (right, column)) = (long.DivRem(i * g.Dilations[0], g.Strides[0]), long.DivRem(j * g.Dilations[1], g.Strides[1]));
                if (!_phases.TryGetValue((row, column), out var phase))
                    _phases[(row, column)] = phase = b.Reshape(b.Slice(apart, [1, 3], [row, column], [row + 1, column + 1], [1, 1]), rows, columns, x[0], x[1]);
                windows.Add(rows == Height && columns == Width ? phase : b.Slice(phase, [0, 1], [down, right], [down + Height, right + Width], [1, 1]));
            }
        return windows.Count == 1 ? windows[0] : b.Concat(3, windows);
    }

    /// <summary>How many strides the windows reach over.</summary>
    private long Rows(int axis, long outputs) => ((outputs - 1) * g.Strides[axis] + ((g.Kernel[axis] - 1) * g.Dilations[axis]) + g.Strides[axis]) / g.Strides[axis];

    /// <summary>With the padding before, and so much after it, or so little of the input, that the axis has a size.</summary>
    private string Fit(string value, int axis, long size)
    {
        var (before, after) = (g.PadsBefore[axis], size - g.PadsBefore[axis] - x[axis + 2]);
        var kept = after < 0 ? b.Slice(value, axis, 0, x[axis + 2] + after) : value;
        if (before == 0 && after <= 0)
            return kept;
        var pads = new long[8];
        (pads[axis], pads[axis + 4]) = (before, Math.Max(0, after));
        return b.Pad(kept, pads);
    }
}
