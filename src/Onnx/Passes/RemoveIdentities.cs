namespace Orchestrator.Onnx.Passes;

/// <summary>Removes Identity nodes: their readers read the source. One stays where it ties a graph input or constant to a graph output.</summary>
public sealed class RemoveIdentities : IPass
{
    public string Name => "remove-identities";

    public PassEffect Effect => PassEffect.Nodes;

    public bool Run(OnnxModel model)
    {
        var graph = model.Graph;
        var changed = false;
        var bypassed = new HashSet<Node>();
        foreach (var node in graph.Nodes.Where(n => n.Is("Identity") && n.Inputs.Count == 1 && n.Outputs.Count == 1 && n.Input(0) is not null).ToList())
        {
            if (graph.IsOutput(node.Output))
                changed |= MoveOutput(graph, node);
            else
                Bypass(graph, node, bypassed);
        }
        graph.RemoveWhere(bypassed.Contains);
        return changed || bypassed.Count > 0;
    }

    private static void Bypass(Graph graph, Node node, HashSet<Node> bypassed)
    {
        graph.ReplaceUses(node.Output, node.Inputs[0]);
        graph.RemoveValueInfo(node.Output);
        bypassed.Add(node);
    }

    /// <summary>The source's producer computes the graph output itself.</summary>
    private static bool MoveOutput(Graph graph, Node node)
    {
        var (source, output) = (node.Inputs[0], node.Output);
        if (graph.Producer(source) is not { } producer || graph.IsOutput(source))
            return false;
        graph.Remove(node);
        var index = producer.Outputs.ToList().IndexOf(source);
        producer.SetOutput(index, output);
        graph.ReplaceUses(source, output);
        graph.RemoveValueInfo(source);
        return true;
    }
}
