using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>Node names are optional in a file and may repeat; ours identify layers, so each node gets one of its own.</summary>
internal static class NodeNames
{
    /// <summary>Yields the nodes in order. The first bearer of a name keeps it; the others, and those without, are named after operator and place.</summary>
    public static IEnumerable<NodeProto> MakeUnique(IEnumerable<NodeProto> nodes, HashSet<string> taken)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var node in nodes)
        {
            if (node.Name.Length == 0 || !used.Add(node.Name))
            {
                var wanted = node.Name.Length == 0 ? $"{node.OpType}_{index}" : node.Name;
                var name = wanted;
                for (var i = 1; taken.Contains(name) || !used.Add(name); i++)
                    name = $"{wanted}_{i}";
                taken.Add(name);
                node.Name = name;
            }
            index++;
            yield return node;
        }
    }
}
