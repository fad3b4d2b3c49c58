using System.Collections;

namespace Orchestrator.Jobs.Units;

/// <summary>A list whose items are made when they are asked for: a million blob references cost what their packed source costs.</summary>
/// <param name="item">Gets a position from 0; must always give the same.</param>
public sealed class IndexedList<T>(int count, Func<int, T> item) : IReadOnlyList<T>
{
    public int Count => count;

    public T this[int index]
    {
        get
        {
            ArgumentOutOfRangeException.ThrowIfNegative(index);
            ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(index, count);
            return item(index);
        }
    }

    public IEnumerator<T> GetEnumerator()
    {
        for (var i = 0; i < count; i++)
            yield return item(i);
    }

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();
}

/// <summary>Lists made of lists, without copying them.</summary>
public static class IndexedList
{
    public static IReadOnlyList<T> Concat<T>(IReadOnlyList<IReadOnlyList<T>> parts)
    {
        var starts = new int[parts.Count + 1];
        for (var p = 0; p < parts.Count; p++)
            starts[p + 1] = checked(starts[p] + parts[p].Count);
        return new IndexedList<T>(starts[^1], index =>
        {
            var at = Array.BinarySearch(starts, index);
            // Where parts are empty several starts are equal; the last one is the part that holds the item.
            var part = at < 0 ? ~at - 1 : at;
            while (starts[part + 1] == index)
                part++;
            return parts[part][index - starts[part]];
        });
    }
}
