namespace Orchestrator.TestKit.Interpreting;

/// <summary>Numbers of any ONNX type held as doubles, row after row; truth is 1.</summary>
public sealed record DoubleTensor(long[] Shape, double[] Values)
{
    public int Rank => Shape.Length;

    public static DoubleTensor Scalar(double value) => new([], [value]);

    public static DoubleTensor Zeros(params long[] shape) => new(shape, new double[Count(shape)]);

    public static int Count(IEnumerable<long> shape) => (int)shape.Aggregate(1L, (a, b) => a * b);

    public static long[] Strides(long[] shape)
    {
        var strides = new long[shape.Length];
        for (var (i, step) = (shape.Length - 1, 1L); i >= 0; step *= shape[i--])
            strides[i] = step;
        return strides;
    }

    /// <summary>The indices of all elements of a shape, in order; the array is the same one each time.</summary>
    public static IEnumerable<long[]> Indices(long[] shape)
    {
        var index = new long[shape.Length];
        for (var left = Count(shape); left > 0; left--)
        {
            yield return index;
            for (var i = shape.Length - 1; i >= 0 && ++index[i] == shape[i]; i--)
                index[i] = 0;
        }
    }

    public long[] Longs() => Array.ConvertAll(Values, v => (long)v);

    /// <summary>The element at an index of a shape that this one broadcasts to.</summary>
    public double At(ReadOnlySpan<long> index)
    {
        var (offset, stride) = (0L, 1L);
        for (var i = 1; i <= Rank; stride *= Shape[^i], i++)
            if (Shape[^i] != 1)
                offset += index[^i] * stride;
        return Values[offset];
    }

    public static DoubleTensor Build(long[] shape, Func<long[], double> element)
    {
        var result = Zeros(shape);
        var next = 0;
        foreach (var index in Indices(shape))
            result.Values[next++] = element(index);
        return result;
    }

    public static long[] Broadcast(params IEnumerable<long[]> shapes)
    {
        var all = shapes.ToList();
        var result = Enumerable.Repeat(1L, all.Max(s => s.Length)).ToArray();
        foreach (var shape in all)
            for (var i = 1; i <= shape.Length; i++)
                if (shape[^i] != 1)
                    result[^i] = result[^i] == 1 || result[^i] == shape[^i] ? shape[^i] : throw new ArgumentException("Shapes do not broadcast.", nameof(shapes));
        return result;
    }
}
