using Orchestrator.Jobs.Units;

namespace Orchestrator.Jobs.Plans;

/// <summary>
/// The cut of a layer's rows into units: every row in exactly one range, in order. A range lies within one group of a grouped
/// convolution or holds whole groups, because rows of a group share a Hessian. Indexed, never listed.
/// </summary>
public readonly record struct RowRanges
{
    private readonly int _rows;
    private readonly int _groupRows;
    private readonly int _perGroup;

    /// <param name="size">Rows of a range: at most those of a group, or a multiple of them (<see cref="FitSize"/>).</param>
    public RowRanges(LayerShape layer, int size)
    {
        _rows = layer.Rows;
        _groupRows = layer.Rows / layer.Groups;
        Size = size;
        _perGroup = size < _groupRows ? CeilingOf(_groupRows, size) : 0;
        Count = _perGroup > 0 ? _perGroup * layer.Groups : CeilingOf(_rows, size);
    }

    public int Size { get; }

    public int Count { get; }

    public RowRange this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, Count);
            if (_perGroup == 0)
                return new RowRange(index * Size, Math.Min(Size, _rows - index * Size));
            var within = index % _perGroup * Size;
            return new RowRange(index / _perGroup * _groupRows + within, Math.Min(Size, _groupRows - within));
        }
    }

    /// <summary>The range that holds a row.</summary>
    public int IndexOf(int row) => _perGroup == 0 ? row / Size : row / _groupRows * _perGroup + row % _groupRows / Size;

    /// <summary>The size that comes nearest to <paramref name="target"/> rows from below, evened out so that no short rest remains.</summary>
    public static int FitSize(LayerShape layer, double target)
    {
        var groupRows = layer.Rows / layer.Groups;
        if (target >= groupRows)
        {
            var groupsEach = (int)Math.Min(layer.Groups, Math.Floor(target / groupRows));
            return CeilingOf(layer.Groups, CeilingOf(layer.Groups, groupsEach)) * groupRows;
        }

        var most = Math.Max(1, (int)Math.Floor(target));
        return CeilingOf(groupRows, CeilingOf(groupRows, most));
    }

    private static int CeilingOf(int value, int divisor) => (value + divisor - 1) / divisor;
}

public readonly record struct RowRange(int First, int Rows)
{
    public int End => First + Rows;
}
