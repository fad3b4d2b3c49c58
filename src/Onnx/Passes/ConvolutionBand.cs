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

    /// <summary>[taps, output height · input height · kernel width]: for each column of the kernel a matrix from the rows of the input to those of the output.</summary>
    public Tensor Rows()
    {
        var columns = geometry.Kernel[1];
        var places = new float[Taps * Height * height * columns];
        foreach (var (y, row, dy) in Pairs(0, Height, height))
            for (var dx = 0L; dx < columns; dx++)
                places[(((((dy * columns) + dx) * Height + y) * height + row) * columns) + dx] = 1;
        return Tensor.FromFloats("band", [Taps, Height * height * columns], places);
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
