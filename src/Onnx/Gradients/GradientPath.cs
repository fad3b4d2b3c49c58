namespace Orchestrator.Onnx.Gradients;

/// <summary>The nodes through which a loss depends on some values, and the values on the way.</summary>
internal sealed class GradientPath
{
    private readonly HashSet<string> _values;

    private GradientPath(IReadOnlyList<Node> nodes, HashSet<string> values)
    {
        Nodes = nodes;
        _values = values;
    }

    /// <summary>In the graph's order.</summary>
    public IReadOnlyList<Node> Nodes { get; }

    /// <summary>Whether the value depends on a wanted one.</summary>
    public bool Depends(string value) => _values.Contains(value);

    public static GradientPath Between(Graph graph, IReadOnlyList<string> wanted, string loss)
    {
        var values = new HashSet<string>(wanted, StringComparer.Ordinal);
        var reached = new List<Node>();
        foreach (var node in graph.Nodes.Where(n => !GradientRules.IsConstant(n) && n.Inputs.Concat(n.Captured).Any(values.Contains)))
        {
            reached.Add(node);
            values.UnionWith(node.Outputs.Where(o => o.Length > 0));
        }

        var needed = new HashSet<string>(StringComparer.Ordinal) { loss };
        var nodes = new List<Node>();
        foreach (var node in Enumerable.Reverse(reached).Where(n => n.Outputs.Any(needed.Contains)))
        {
            nodes.Add(node);
            needed.UnionWith(node.Inputs.Concat(node.Captured).Where(values.Contains));
        }
        nodes.Reverse();
        return new GradientPath(nodes, values);
    }
}
