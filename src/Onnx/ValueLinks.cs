namespace Orchestrator.Onnx;

/// <summary>Which node computes a value and which nodes read it.</summary>
internal sealed class ValueLinks
{
    private readonly Dictionary<string, Node> _producers = new(StringComparer.Ordinal);
    private readonly Dictionary<string, List<ValueUse>> _uses = new(StringComparer.Ordinal);

    public Node? Producer(string value) => _producers.GetValueOrDefault(value);

    public IReadOnlyList<ValueUse> Uses(string value) => _uses.GetValueOrDefault(value) ?? (IReadOnlyList<ValueUse>)[];

    public static IEnumerable<(string Value, int Index)> ReadBy(Node node) =>
        node.Inputs.Select((value, index) => (value, index)).Where(use => use.value.Length > 0).Concat(node.Captured.Select(value => (value, -1)));

    /// <exception cref="OnnxException">Another node computes one of its outputs.</exception>
    public void Link(Node node)
    {
        foreach (var output in node.Outputs.Where(o => o.Length > 0))
            if (!_producers.TryAdd(output, node))
                throw new OnnxException($"node '{node.Name}'", $"the value '{output}' is computed by '{_producers[output].Name}' already");
        foreach (var use in ReadBy(node))
            UsesOf(use.Value).Add(new ValueUse(node, use.Index));
    }

    public void Unlink(Node node)
    {
        foreach (var output in node.Outputs.Where(o => o.Length > 0))
            _producers.Remove(output);
        foreach (var value in ReadBy(node).Select(use => use.Value).Distinct())
            _uses.GetValueOrDefault(value)?.RemoveAll(u => u.Node == node);
    }

    /// <summary>As <see cref="Unlink"/> for many at once: every list of readers is gone through once.</summary>
    public void UnlinkAll(HashSet<Node> nodes)
    {
        foreach (var output in nodes.SelectMany(n => n.Outputs).Where(o => o.Length > 0))
            _producers.Remove(output);
        foreach (var value in nodes.SelectMany(ReadBy).Select(use => use.Value).ToHashSet(StringComparer.Ordinal))
            _uses.GetValueOrDefault(value)?.RemoveAll(u => nodes.Contains(u.Node));
    }

    /// <summary>Inputs that read <paramref name="from"/> read <paramref name="to"/>; what bodies capture stays.</summary>
    public void MoveInputs(string from, string to)
    {
        if (!_uses.TryGetValue(from, out var readers))
            return;
        var target = UsesOf(to);
        foreach (var (node, index) in readers.Where(u => u.InputIndex >= 0))
        {
            node.Proto.Input[index] = to;
            target.Add(new ValueUse(node, index));
        }
        readers.RemoveAll(u => u.InputIndex >= 0);
    }

    private List<ValueUse> UsesOf(string value)
    {
        if (!_uses.TryGetValue(value, out var uses))
            _uses.Add(value, uses = []);
        return uses;
    }
}
