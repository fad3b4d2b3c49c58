using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>Node names are optional in a file and may repeat; ours identify layers, so each node gets one of its own.</summary>
internal static class NodeNames
{
    /// <summary>Yields the nodes in order. The first bearer of a name keeps it; the others, and those without, are named after operator and place.</summary>
    public static IEnumerable<NodeProto> MakeUnique(IEnumerable<NodeProto> nodes, UniqueNames taken)
    {
        var used = new HashSet<string>(StringComparer.Ordinal);
        var index = 0;
        foreach (var node in nodes)
        {
            if (node.Name.Length == 0 || !used.Add(node.Name))
            {
                node.Name = taken.Make(node.Name.Length == 0 ? $"{node.OpType}_{index}" : node.Name);
                used.Add(node.Name);
            }
            index++;
            yield return node;
        }
    }
}
