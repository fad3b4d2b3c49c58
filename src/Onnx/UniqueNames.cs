namespace Orchestrator.Onnx;

/// <summary>Names that are taken, and new ones that are not. A wish that many share costs each of them one step, not a search from the start.</summary>
internal sealed class UniqueNames
{
    private readonly HashSet<string> _taken = new(StringComparer.Ordinal);
    private readonly Dictionary<string, int> _next = new(StringComparer.Ordinal);

    public bool Add(string name) => _taken.Add(name);

    public void UnionWith(IEnumerable<string> names) => _taken.UnionWith(names);

    /// <summary>The name, or with a number behind it; taken from now on.</summary>
    public string Make(string wanted)
    {
        if (_taken.Add(wanted))
            return wanted;
        var number = _next.GetValueOrDefault(wanted, 1);
        while (!_taken.Add($"{wanted}_{number}"))
            number++;
        _next[wanted] = number + 1;
        return $"{wanted}_{number}";
    }
}
