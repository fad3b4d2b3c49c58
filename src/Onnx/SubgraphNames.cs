using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx;

/// <summary>Names in the bodies of If, Loop and Scan: what they read from outside, what they use at all.</summary>
internal static class SubgraphNames
{
    /// <summary>Names read by the node's graphs and defined outside of them, each once, in order of first use.</summary>
    public static IReadOnlyList<string> Captured(NodeProto node)
    {
        var captured = new List<string>();
        foreach (var attribute in node.Attribute)
        {
            if (attribute.G is not null)
                Collect(attribute.G, captured);
            foreach (var graph in attribute.Graphs)
                Collect(graph, captured);
        }
        return captured.Count == 0 ? [] : [.. captured.Distinct()];
    }

    /// <summary>Every name that occurs in the graph, nested ones included.</summary>
    public static IEnumerable<string> All(GraphProto graph) =>
        Defined(graph).Concat(graph.Node.SelectMany(n => n.Input.Append(n.Name).Concat(Graphs(n).SelectMany(All))));

    /// <summary>Renames a captured value wherever the graph does not define the name itself.</summary>
    public static void Rename(GraphProto graph, string from, string to)
    {
        if (Defined(graph).Contains(from))
            return;
        foreach (var node in graph.Node)
        {
            for (var i = 0; i < node.Input.Count; i++)
                if (node.Input[i] == from)
                    node.Input[i] = to;
            foreach (var inner in Graphs(node))
                Rename(inner, from, to);
        }
        foreach (var output in graph.Output)
            if (output.Name == from)
                output.Name = to;
    }

    private static void Collect(GraphProto graph, List<string> captured)
    {
        var defined = Defined(graph).ToHashSet(StringComparer.Ordinal);
        foreach (var node in graph.Node)
            captured.AddRange(node.Input.Concat(Captured(node)).Where(name => name.Length > 0 && !defined.Contains(name)));
        captured.AddRange(graph.Output.Select(o => o.Name).Where(name => !defined.Contains(name)));
    }

    private static IEnumerable<string> Defined(GraphProto graph) =>
        graph.Input.Select(i => i.Name)
            .Concat(graph.Initializer.Select(t => t.Name))
            .Concat(graph.SparseInitializer.Select(s => s.Values?.Name ?? ""))
            .Concat(graph.Node.SelectMany(n => n.Output));

    private static IEnumerable<GraphProto> Graphs(NodeProto node) =>
        node.Attribute.SelectMany(a => a.G is null ? a.Graphs : a.Graphs.Prepend(a.G));
}
