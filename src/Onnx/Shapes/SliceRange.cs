namespace Orchestrator.Onnx.Shapes;

/// <summary>ONNX's slice along one axis: negative positions count from the end, positions beyond it are clamped.</summary>
internal static class SliceRange
{
    /// <summary>Number of elements; -1 where the size, a bound or the step is not known.</summary>
    public static long Count(long size, long start, long end, long step)
    {
        if (size < 0 || start == ShapeContext.UnknownValue || end == ShapeContext.UnknownValue || step is ShapeContext.UnknownValue or 0)
            return ShapeContext.Unknown;
        var (from, to) = Bounds(size, start, end, step);
        var span = step > 0 ? to - from : from - to;
        return span <= 0 ? 0 : ((span - 1) / Math.Abs(step)) + 1;
    }

    /// <summary>First position and the exclusive bound in the direction of the step.</summary>
    public static (long From, long To) Bounds(long size, long start, long end, long step)
    {
        var from = start < 0 ? start + size : start;
        var to = end < 0 ? Math.Max(end, long.MinValue / 2) + size : end;
        return step > 0
            ? (Math.Clamp(from, 0, size), Math.Clamp(to, 0, size))
            : (Math.Clamp(from, -1, size - 1), Math.Clamp(to, -1, size - 1));
    }
}
