using System.Numerics;

namespace Orchestrator.Numerics;

/// <summary>Checks what callers of <see cref="IRowElimination{T}"/> hand over.</summary>
internal static class EliminationArguments
{
    public static void Check<T>(int maximumColumns, Matrix<T> inverse, ReadOnlySpan<int> columns, ReadOnlySpan<T> weights, Span<int> order, Span<double> losses)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        var m = inverse.Rows;
        if (inverse.Columns != m || m > maximumColumns)
            throw new ArgumentException($"A square inverse of at most {maximumColumns} columns expected, {m} × {inverse.Columns} given.", nameof(inverse));
        if (weights.Length > maximumColumns)
            throw new ArgumentException($"The workspace holds rows of at most {maximumColumns} weights, {weights.Length} given.", nameof(weights));
        if (columns.IsEmpty ? weights.Length != m : columns.Length != m)
            throw new ArgumentException($"The inverse has {m} columns, the row {weights.Length} weights, the map {columns.Length} places.", nameof(columns));
        for (var j = 0; j < columns.Length; j++)
        {
            if (columns[j] <= (j == 0 ? -1 : columns[j - 1]) || columns[j] >= weights.Length)
                throw new ArgumentException($"The map must ascend and stay inside the row; entry {j} is {columns[j]}.", nameof(columns));
        }

        if (losses.Length < order.Length)
            throw new ArgumentException($"{order.Length} steps asked for, room for {losses.Length} losses.", nameof(losses));
    }

    public static void CheckGroups(int keep, int group)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(group, 1);
        ArgumentOutOfRangeException.ThrowIfNegative(keep);
        ArgumentOutOfRangeException.ThrowIfGreaterThan(keep, group);
    }

    /// <summary>How many weights each group may still lose; what the map leaves out is lost already.</summary>
    public static void FillRoom(Span<int> room, ReadOnlySpan<int> columns, int places, int keep, int group)
    {
        for (var g = 0; g * (long)group < places; g++)
        {
            var size = Math.Min(group, places - g * group);
            room[g] = columns.IsEmpty ? Math.Max(size - keep, 0) : -Math.Min(keep, size);
        }

        foreach (var place in columns)
            room[place / group]++;
        for (var g = 0; g * (long)group < places; g++)
            room[g] = Math.Max(room[g], 0);
    }

    /// <summary>
    /// Squared residuals above it lie outside the grid; ties inside it reach (s/2)² up to the rounding of float32 levels, hence a
    /// margin of a few units in the last place. One of 1e-6 already hides outliers that the original code sees.
    /// </summary>
    public static T OutlierThreshold<T>(T scale)
        where T : unmanaged, IBinaryFloatingPointIeee754<T> => T.CreateTruncating(0.25 * (1 + 3e-7)) * scale * scale;

    public static void CheckBlocks(int activeColumns, ReadOnlySpan<int> columns, int blockSize)
    {
        ArgumentOutOfRangeException.ThrowIfLessThan(blockSize, 1);
        if (activeColumns % blockSize != 0)
            throw new ArgumentException($"{activeColumns} columns are not whole blocks of {blockSize}.", nameof(blockSize));
        for (var j = 0; j < columns.Length; j++)
        {
            if (columns[j] % blockSize != j % blockSize || columns[j] / blockSize != columns[j - j % blockSize] / blockSize)
                throw new ArgumentException($"The map splits the block of place {columns[j]}.", nameof(columns));
        }
    }

    public static void CheckGrid<T>(RowGrid<T> grid, ReadOnlySpan<T> weights, Span<int> codes)
        where T : unmanaged, IBinaryFloatingPointIeee754<T>
    {
        if (!(grid.Scale > T.Zero) || !T.IsFinite(grid.Scale))
            throw new ArgumentException($"A grid needs a positive, finite scale; it is {grid.Scale}.", nameof(grid));
        if (codes.Length != weights.Length)
            throw new ArgumentException($"{weights.Length} weights, room for {codes.Length} codes.", nameof(codes));
    }
}
