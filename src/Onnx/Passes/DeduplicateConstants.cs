namespace Orchestrator.Onnx.Passes;

/// <summary>Lets readers of equal constants, in initializers or Constant nodes, read the first of them. What a caller may override stays.</summary>
public sealed class DeduplicateConstants : IPass
{
    public string Name => "deduplicate-constants";

    public PassEffect Effect => PassEffect.Nodes | PassEffect.Constants;

    public bool Run(OnnxModel model)
    {
        var graph = model.Graph;
        var seen = new Dictionary<(ElementType, string, int), List<WeightView>>();
        var changed = false;
        foreach (var name in Stored(graph).ToList())
        {
            // To compare what lies in files, all of it would have to be read.
            if (WeightView.Find(graph, name) is not { } constant || constant.Tensor.Mapped is not null)
                continue;
            var key = (constant.Tensor.ElementType, string.Join(',', constant.Tensor.Shape), ContentHash(constant.Tensor));
            if (!seen.TryGetValue(key, out var alike))
                seen.Add(key, alike = []);
            if (alike.Find(a => a.Tensor.ContentEquals(constant.Tensor)) is { } first)
                changed |= Merge(graph, constant, first.Storage);
            else
                alike.Add(constant);
        }
        return changed;
    }

    private static IEnumerable<string> Stored(Graph graph) =>
        graph.Initializers.Select(t => t.Name).Where(n => !graph.IsInput(n))
            .Concat(graph.Nodes.Where(n => n.Is("Constant")).Select(n => n.Output));

    private static bool Merge(Graph graph, WeightView duplicate, string first)
    {
        if (graph.IsOutput(duplicate.Storage))
            return false;
        graph.ReplaceUses(duplicate.Storage, first);
        if (duplicate.ConstantNode is { } node)
            graph.Remove(node);
        else
            graph.RemoveInitializer(duplicate.Storage);
        return true;
    }

    private static int ContentHash(Tensor tensor)
    {
        var hash = new HashCode();
        if (tensor.ElementType == ElementType.Text)
            foreach (var text in tensor.Proto.StringData)
                hash.AddBytes(text.Span);
        else
            hash.AddBytes(tensor.Bytes());
        return hash.ToHashCode();
    }
}
