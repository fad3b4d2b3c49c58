using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Stores weights in the layout that their layers read: a constant behind Transpose, Reshape, Flatten, Squeeze or Unsqueeze is laid out
/// anew once and for all. Other readers keep what they had.
/// </summary>
public sealed class FoldWeightLayout : IPass
{
    public string Name => "fold-weight-layout";

    public PassEffect Effect => PassEffect.Nodes | PassEffect.Constants | PassEffect.Weights;

    public bool Run(OnnxModel model)
    {
        var graph = model.Graph;
        var layouts = graph.Nodes.Where(IsLayout).ToList();
        if (layouts.Count == 0)
            return false;
        var (leads, copied) = (LeadToWeights(graph), CopyBudget.Of(graph));
        InferredShapes? shapes = null;
        var changed = false;
        // In topological order, so that one layout change is folded into the next.
        foreach (var node in layouts.Where(n => leads.Contains(n.Output)))
            changed |= Fold(graph, node, shapes ??= InferredShapes.Of(model), copied);
        return changed;
    }

    private static bool IsLayout(Node node) =>
        node.Is("Transpose") || node.Is("Reshape") || node.Is("Flatten") || node.Is("Squeeze") || node.Is("Unsqueeze");

    /// <summary>Values that are weights of layers, or become them through nodes that only pass on and lay out.</summary>
    private static HashSet<string> LeadToWeights(Graph graph)
    {
        var leads = new HashSet<string>(StringComparer.Ordinal);
        foreach (var node in graph.Nodes.Reverse())
        {
            if (node.Is("Gemm") || node.Is("MatMul"))
                leads.UnionWith(node.Inputs.Take(2));
            else if (node.Is("Conv"))
                leads.UnionWith(node.Inputs.Skip(1).Take(1));
            else if (node.Input(0) is { } source && (IsLayout(node) || node.Is("Identity") || node.Is("Cast")) && leads.Contains(node.Output))
                leads.Add(source);
        }
        return leads;
    }

    private static bool Fold(Graph graph, Node node, InferredShapes shapes, CopyBudget copied)
    {
        if (WeightView.Find(graph, node.Input(0)) is not { } weight || !weight.Tensor.ElementType.IsReal() || graph.IsOutput(node.Output)
            || !copied.Take(weight.Tensor.ByteCount))
            return false;
        var folded = node.Is("Transpose") ? Transposed(weight.Tensor, node.Ints("perm"))
            : shapes.Find(node.Output) is { } shape && shape.All(d => d >= 0) ? weight.Tensor.WithShape(shape)
            : null;
        if (folded is null)
            return false;
        graph.ReplaceUses(node.Output, graph.AddConstant(folded.WithName(node.Output), weight.ReadAs, before: node));
        graph.RemoveValueInfo(node.Output);
        graph.Remove(node);
        return true;
    }

    private static Tensor? Transposed(Tensor tensor, long[]? permutation)
    {
        var rank = tensor.Shape.Count;
        var order = permutation ?? [.. Enumerable.Range(0, rank).Reverse().Select(axis => (long)axis)];
        if (!order.Order().SequenceEqual(Enumerable.Range(0, rank).Select(axis => (long)axis)))
            return null;
        var strides = new long[rank];
        for (var (axis, stride) = (rank - 1, 1L); axis >= 0; stride *= tensor.Shape[axis--])
            strides[axis] = stride;
        long[] shape = [.. order.Select(axis => tensor.Shape[(int)axis])];
        var (from, size) = (tensor.ReadBytes(), tensor.ElementType.Bits() / 8);
        var to = new byte[from.Length];
        var position = new long[rank];
        for (var i = 0; i < tensor.Count; i++)
        {
            long source = 0;
            for (var axis = 0; axis < rank; axis++)
                source += position[axis] * strides[order[axis]];
            from.AsSpan((int)source * size, size).CopyTo(to.AsSpan(i * size));
            for (var axis = rank - 1; axis >= 0 && ++position[axis] == shape[axis]; axis--)
                position[axis] = 0;
        }
        return Tensor.FromBytes(tensor.Name, tensor.ElementType, shape, to);
    }
}
