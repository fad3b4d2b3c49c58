namespace Orchestrator.Zoo.Tests.Running;

/// <summary>Round to nearest on an asymmetric grid per row.</summary>
internal static class Codes
{
    /// <param name="matrix">[rows × columns].</param>
    public static (int[] Codes, float[] Scales, int[] Zeros) Nearest(float[] matrix, int rows, int bits)
    {
        var (columns, top) = (matrix.Length / rows, (1 << bits) - 1);
        var (codes, scales, zeros) = (new int[matrix.Length], new float[rows], new int[rows]);
        for (var i = 0; i < rows; i++)
        {
            var row = matrix.AsSpan(i * columns, columns);
            var (min, max) = (0f, 0f);
            foreach (var value in row)
                (min, max) = (Math.Min(min, value), Math.Max(max, value));
            scales[i] = max == min ? 1 : (max - min) / top;
            zeros[i] = (int)MathF.Round(-min / scales[i]);
            for (var j = 0; j < columns; j++)
                codes[(i * columns) + j] = Math.Clamp((int)MathF.Round(row[j] / scales[i]) + zeros[i], 0, top);
        }

        return (codes, scales, zeros);
    }
}
