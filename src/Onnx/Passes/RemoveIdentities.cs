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
        foreach (var node in graph.Nodes.Where(n => n.Is("Identity") && n.Input(0) is not null).ToList())
            changed |= graph.IsOutput(node.Output) ? MoveOutput(graph, node) : Bypass(graph, node);
        return changed;
    }

    private static bool Bypass(Graph graph, Node node)
    {
        graph.ReplaceUses(node.Output, node.Inputs[0]);
        graph.RemoveValueInfo(node.Output);
        graph.Remove(node);
        return true;
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
