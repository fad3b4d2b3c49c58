namespace Orchestrator.Onnx.Passes;

/// <summary>
/// One axis of a convolution by Winograd's minimal filtering F(4, 3) (Lavin and Gray 2016, section 4.1), as matrices over the whole axis: four outputs a
/// tile of six inputs, which take six multiplications instead of twelve. Points of the transformed axis come first, tiles second.
/// </summary>
/// <param name="Size">Of the input along the axis.</param>
/// <param name="Before">Zeros before it.</param>
/// <param name="Outputs">Of the convolution along the axis.</param>
internal readonly record struct WinogradTiles(long Size, long Before, long Outputs)
{
    public const int Taps = 3;
    public const int Points = 6;
    private const int OutputsPerTile = 4;

    // The points are 0, ±1, ±2 and infinity.
    private static readonly double[,] s_input =
    {
        { 4, 0, -5, 0, 1, 0 }, { 0, -4, -4, 1, 1, 0 }, { 0, 4, -4, -1, 1, 0 }, { 0, -2, -1, 2, 1, 0 }, { 0, 2, -1, -2, 1, 0 }, { 0, 4, 0, -5, 0, 1 },
    };

    private static readonly double[,] s_kernel =
    {
        { 1 / 4.0, 0, 0 }, { -1 / 6.0, -1 / 6.0, -1 / 6.0 }, { -1 / 6.0, 1 / 6.0, -1 / 6.0 }, { 1 / 24.0, 1 / 12.0, 1 / 6.0 }, { 1 / 24.0, -1 / 12.0, 1 / 6.0 }, { 0, 0, 1 },
    };

    private static readonly double[,] s_output = { { 1, 1, 1, 1, 1, 0 }, { 0, 1, -1, 2, -2, 0 }, { 0, 1, 1, 4, 4, 0 }, { 0, 1, -1, 8, -8, 1 } };

    public long Tiles => (Outputs + OutputsPerTile - 1) / OutputsPerTile;

    public long Width => Points * Tiles;

    /// <summary>[<see cref="Width"/>, <see cref="Size"/>]: what it is multiplied with from the right is transformed, padding included.</summary>
    public Tensor Input()
    {
        var matrix = new float[Width * Size];
        for (var tile = 0L; tile < Tiles; tile++)
            for (var point = 0; point < Points; point++)
                for (var i = 0; i < Points; i++)
                    if ((tile * OutputsPerTile) + i - Before is var at && at >= 0 && at < Size)
                        matrix[(((point * Tiles) + tile) * Size) + at] = (float)s_input[point, i];
        return Tensor.FromFloats("winograd_input", [Width, Size], matrix);
    }

    /// <summary>[<see cref="Outputs"/>, <see cref="Width"/>]: what it is multiplied with from the right comes back.</summary>
    public Tensor Output()
    {
        var matrix = new float[Outputs * Width];
        for (var at = 0L; at < Outputs; at++)
            for (var point = 0; point < Points; point++)
                matrix[(at * Width) + (point * Tiles) + (at / OutputsPerTile)] = (float)s_output[at % OutputsPerTile, point];
        return Tensor.FromFloats("winograd_output", [Outputs, Width], matrix);
    }

    /// <summary>[36, 9]: a kernel of two axes, taps in a row, in both axes' points.</summary>
    public static Tensor Kernel()
    {
        var matrix = new float[Points * Points * Taps * Taps];
        for (int row = 0, at = 0; row < Points * Points; row++)
            for (var tap = 0; tap < Taps * Taps; tap++)
                matrix[at++] = (float)(s_kernel[row / Points, tap / Taps] * s_kernel[row % Points, tap % Taps]);
        return Tensor.FromFloats("winograd_kernel", [Points * Points, Taps * Taps], matrix);
    }
}
