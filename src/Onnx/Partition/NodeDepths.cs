namespace Orchestrator.Onnx.Partition;

/// <summary>How deep some nodes lie: the most of them that lie one behind the other before each.</summary>
public static class NodeDepths
{
    public static IReadOnlyDictionary<Node, int> Of(Graph graph, IEnumerable<Node> nodes)
    {
        var counted = nodes.ToHashSet();
        var values = new Dictionary<string, int>(StringComparer.Ordinal);
        var depths = new Dictionary<Node, int>();
        foreach (var node in graph.Nodes)
        {
            var depth = node.Inputs.Concat(node.Captured).Select(value => values.GetValueOrDefault(value)).DefaultIfEmpty().Max();
            if (counted.Contains(node))
                depths.Add(node, depth++);
            foreach (var output in node.Outputs)
                values[output] = depth;
        }

        return depths;
    }
}
