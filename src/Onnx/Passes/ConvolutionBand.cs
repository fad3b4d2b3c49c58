using Orchestrator.Onnx.Partition;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// A convolution of one channel as products with matrices that have its kernel's numbers beside their diagonal (Toeplitz matrices), and what puts the
/// numbers there: constants of zeros and ones, one row for each position of the kernel.
/// </summary>
/// <param name="height">Of the input; the width likewise.</param>
internal sealed class ConvolutionBand(ConvolutionGeometry geometry, long height, long width)
{
    public long Height { get; } = geometry.OutputSize(0, height);

    public long Width { get; } = geometry.OutputSize(1, width);

    private long Taps => geometry.Kernel[0] * geometry.Kernel[1];

    /// <summary>[taps, output height · output width · input height · input width]: a matrix from all elements of the input to all of the output.</summary>
    public Tensor Whole()
    {
        var places = new float[Taps * Height * Width * height * width];
        foreach (var (y, row, dy) in Pairs(0, Height, height))
            foreach (var (x, column, dx) in Pairs(1, Width, width))
                places[((((((dy * geometry.Kernel[1]) + dx) * Height + y) * Width + x) * height + row) * width) + column] = 1;
        return Tensor.FromFloats("band", [Taps, Height * Width * height * width], places);
    }

    /// <summary>The rows of the input that some rows of the output see; one, if they see padding alone.</summary>
    public (long First, long End) Seen((long First, long End) rows)
    {
        var seen = Pairs(0, Height, height).Where(p => p.Output >= rows.First && p.Output < rows.End).Select(p => p.Input).ToList();
        return seen.Count == 0 ? (0, 1) : (seen.Min(), seen.Max() + 1);
    }

    /// <summary>
    /// [taps, output rows · input rows · kernel width]: for each column of the kernel a matrix from the rows of the input that are seen to some of the output.
    /// </summary>
    public Tensor Rows((long First, long End) rows)
    {
        var (seen, columns, count) = (Seen(rows), geometry.Kernel[1], rows.End - rows.First);
        var places = new float[Taps * count * (seen.End - seen.First) * columns];
        foreach (var (y, row, dy) in Pairs(0, Height, height).Where(p => p.Output >= rows.First && p.Output < rows.End))
            for (var dx = 0L; dx < columns; dx++)
                places[(((((dy * columns) + dx) * count + y - rows.First) * (seen.End - seen.First) + row - seen.First) * columns) + dx] = 1;
        return Tensor.FromFloats("band", [Taps, count * (seen.End - seen.First) * columns], places);
    }

    /// <summary>Which element of the input an element of the output sees, and through which position of the kernel.</summary>
    private IEnumerable<(long Output, long Input, long Tap)> Pairs(int axis, long outputs, long inputs)
    {
        for (var output = 0L; output < outputs; output++)
            for (var tap = 0L; tap < geometry.Kernel[axis]; tap++)
                if ((output * geometry.Strides[axis]) - geometry.PadsBefore[axis] + (tap * geometry.Dilations[axis]) is var input && input >= 0 && input < inputs)
                    yield return (output, input, tap);
    }
}
