using Orchestrator.Numerics;

namespace Orchestrator.Compression.Hessians;

/// <summary>Square matrices of one size, one a group, and their layout in blobs.</summary>
internal static class GroupMatrices
{
    public static void Check(Matrix<double>[] groups)
    {
        if (groups.Length == 0)
            throw new ArgumentException("A layer has at least one group.", nameof(groups));
        var columns = groups[0].Columns;
        foreach (var group in groups)
        {
            if (group.Rows != columns || group.Columns != columns)
                throw new ArgumentException($"{columns} × {columns} expected, {group.Rows} × {group.Columns} given.", nameof(groups));
        }
    }

    public static Matrix<double>[] Split(ReadOnlySpan<double> values, int groups, int columns)
    {
        var size = checked(columns * columns);
        if (values.Length != (long)groups * size)
            throw new ArgumentException($"{groups} × {columns} × {columns} values expected, {values.Length} given.", nameof(values));
        var matrices = new Matrix<double>[groups];
        for (var g = 0; g < groups; g++)
            matrices[g] = Matrix<double>.FromRows(values.Slice(g * size, size), columns, columns);
        return matrices;
    }

    /// <summary>All values, with room for more behind them.</summary>
    public static double[] Join(Matrix<double>[] groups, int room)
    {
        var columns = groups[0].Columns;
        var values = new double[checked(groups.Length * columns * columns + room)];
        var next = values.AsSpan();
        foreach (var group in groups)
        {
            for (var row = 0; row < columns; row++)
            {
                group.Row(row).CopyTo(next);
                next = next[columns..];
            }
        }

        return values;
    }
}
