namespace Orchestrator.Onnx;

/// <summary>Stable topological sort: of the nodes that could come next, the one that came first before.</summary>
internal static class TopologicalOrder
{
    /// <exception cref="OnnxException">The nodes form a cycle.</exception>
    public static void Sort(List<Node> nodes, Func<string, Node?> producer)
    {
        var place = new Dictionary<Node, int>(nodes.Count);
        for (var i = 0; i < nodes.Count; i++)
            place.Add(nodes[i], i);
        if (IsSorted(nodes, place, producer))
            return;
        var waitsFor = nodes.ConvertAll(n => Producers(n, producer));

        var followers = nodes.ConvertAll(_ => new List<int>());
        var ready = new PriorityQueue<int, int>();
        var missing = new int[nodes.Count];
        for (var i = 0; i < nodes.Count; i++)
        {
            missing[i] = waitsFor[i].Count;
            foreach (var earlier in waitsFor[i])
                followers[place[earlier]].Add(i);
            if (missing[i] == 0)
                ready.Enqueue(i, i);
        }

        var sorted = new List<Node>(nodes.Count);
        while (ready.TryDequeue(out var next, out _))
        {
            sorted.Add(nodes[next]);
            foreach (var follower in followers[next])
                if (--missing[follower] == 0)
                    ready.Enqueue(follower, follower);
        }
        if (sorted.Count < nodes.Count)
            throw new OnnxException($"node '{nodes[Array.FindIndex(missing, m => m > 0)].Name}'", "the graph has a cycle through or before this node");
        nodes.Clear();
        nodes.AddRange(sorted);
    }

    /// <summary>The common case, found out without building anything.</summary>
    private static bool IsSorted(List<Node> nodes, Dictionary<Node, int> place, Func<string, Node?> producer)
    {
        for (var i = 0; i < nodes.Count; i++)
        {
            foreach (var input in nodes[i].Inputs)
                if (producer(input) is { } earlier && place[earlier] >= i)
                    return false;
            foreach (var captured in nodes[i].Captured)
                if (producer(captured) is { } earlier && place[earlier] >= i)
                    return false;
        }
        return true;
    }

    private static HashSet<Node> Producers(Node node, Func<string, Node?> producer) =>
        [.. node.Inputs.Concat(node.Captured).Select(producer).OfType<Node>()];
}
