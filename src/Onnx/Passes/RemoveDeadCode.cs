namespace Orchestrator.Onnx.Passes;

/// <summary>Removes nodes whose values reach no output, and constants that nothing reads. Graph inputs stay: they are the interface.</summary>
public sealed class RemoveDeadCode : IPass
{
    public string Name => "remove-dead-code";

    public PassEffect Effect => PassEffect.Nodes | PassEffect.Constants;

    public bool Run(OnnxModel model) => Sweep(model.Graph);

    internal static bool Sweep(Graph graph)
    {
        var live = new HashSet<Node>();
        var pending = new Stack<string>(graph.Outputs.Select(o => o.Name));
        while (pending.TryPop(out var value))
        {
            if (graph.Producer(value) is not { } node || !live.Add(node))
                continue;
            foreach (var input in node.Inputs.Concat(node.Captured))
                pending.Push(input);
        }

        var changed = false;
        foreach (var node in graph.Nodes.Where(n => !live.Contains(n)))
            foreach (var output in node.Outputs)
                graph.RemoveValueInfo(output);
        changed |= graph.RemoveWhere(n => !live.Contains(n)) > 0;
        foreach (var tensor in graph.Initializers.Where(t => graph.Uses(t.Name).Count == 0 && !graph.IsOutput(t.Name)).ToList())
            changed |= graph.RemoveInitializer(tensor.Name);
        return changed;
    }
}
