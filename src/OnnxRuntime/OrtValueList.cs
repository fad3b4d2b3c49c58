using System.Collections;

namespace Orchestrator.OnnxRuntime;

/// <summary>The values of a run in the order they were asked for. Disposing the list disposes them all.</summary>
public sealed class OrtValueList : IReadOnlyList<OrtValue>, IDisposable
{
    private readonly OrtValue[] _values;

    internal OrtValueList(OrtValue[] values) => _values = values;

    public int Count => _values.Length;

    public OrtValue this[int index] => _values[index];

    public IEnumerator<OrtValue> GetEnumerator() => ((IEnumerable<OrtValue>)_values).GetEnumerator();

    IEnumerator IEnumerable.GetEnumerator() => GetEnumerator();

    public void Dispose()
    {
        foreach (var value in _values)
            value.Dispose();
    }
}
