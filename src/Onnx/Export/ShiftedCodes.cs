namespace Orchestrator.Onnx.Export;

/// <summary>Codes and zero points that fit an integer type. Only code − zero counts, so a row may be moved by any whole number.</summary>
internal sealed record ShiftedCodes(int[] Codes, int[] Zeros)
{
    /// <summary>Moves each row as little as needed; null where some row spans more than the type holds.</summary>
    public static ShiftedCodes? Fit(ElementType type, ReadOnlySpan<int> codes, ReadOnlySpan<int> zeros, int rows)
    {
        var (min, max) = TensorElements.CodeRange(type);
        var columns = codes.Length / rows;
        var fitted = new ShiftedCodes(codes.ToArray(), zeros.ToArray());
        for (var row = 0; row < rows; row++)
        {
            var span = fitted.Codes.AsSpan(row * columns, columns);
            long low = fitted.Zeros[row];
            long high = low;
            foreach (var code in span)
                (low, high) = (Math.Min(low, code), Math.Max(high, code));
            if (high - low > max - min)
                return null;
            var shift = (int)(low < min ? min - low : high > max ? max - high : 0);
            fitted.Zeros[row] += shift;
            for (var i = 0; i < span.Length; i++)
                span[i] += shift;
        }
        return fitted;
    }
}
