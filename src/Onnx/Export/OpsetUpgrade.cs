using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Export;

/// <summary>A node that keeps a model from a newer operator set.</summary>
public sealed record OpsetBlocker(string Node, string OpType, string Reason)
{
    public override string ToString() => $"{OpType} '{Node}': {Reason}";
}

/// <summary>
/// Raises a model's operator set by a checked per-operator table: an operator whose form or meaning changed on the way is rewritten where
/// that is simple, and otherwise named as what stands in the way, as is every operator that the table does not know.
/// </summary>
public static class OpsetUpgrade
{
    /// <summary>Oldest version the rewrites aim at; the first with a scale per channel.</summary>
    public const int MinTarget = 13;

    /// <summary>Newest version the table covers; the first with 4-bit integers.</summary>
    public const int MaxTarget = 21;

    /// <summary>What stands in the way of <paramref name="target"/>; empty where nothing does. The model is not changed.</summary>
    public static IReadOnlyList<OpsetBlocker> FindBlockers(OnnxModel model, int target)
    {
        if (model.Opset >= target)
            return [];
        if (target is < MinTarget or > MaxTarget)
            return [new OpsetBlocker(model.Graph.Name, "graph", $"operator set {target} is outside the table ({MinTarget} to {MaxTarget})")];
        if (model.HasFunctions)
            return [new OpsetBlocker(model.Graph.Name, "graph", "the model brings functions of its own, bound to an operator set")];
        var context = new UpgradeContext(model);
        return [.. model.Graph.Nodes.Select(n => Blocker(context, n, target)).OfType<OpsetBlocker>()];
    }

    /// <summary>Raises the operator set to <paramref name="target"/>; nothing happens where it is as new already.</summary>
    /// <exception cref="OnnxException">Something stands in the way; the model is unchanged.</exception>
    public static void Raise(OnnxModel model, int target)
    {
        if (FindBlockers(model, target) is [var blocker, ..])
            throw new OnnxException($"node '{blocker.Node}'", $"the operator set cannot be raised to {target}: {blocker}");
        if (model.Opset >= target)
            return;
        var context = new UpgradeContext(model);
        foreach (var node in model.Graph.Nodes.Where(n => n.Domain.Length == 0).ToList())
            foreach (var change in Pending(OpsetTable.ChangesOf(node.OpType)!, model.Opset, target))
                change.Apply?.Invoke(context, node);
        model.SetOpset("", target);
        model.Graph.Sort();
    }

    private static OpsetBlocker? Blocker(UpgradeContext context, Node node, int target)
    {
        foreach (var inner in node.Subgraphs.SelectMany(AllNodes))
            if (InnerBlocker(context, inner, target) is { } innerReason)
                return new OpsetBlocker(node.Name, node.OpType, $"its body holds {inner.OpType}: {innerReason}");
        if (node.Domain.Length > 0)
            return null;
        if (OpsetTable.ChangesOf(node.OpType) is not { } changes)
            return new OpsetBlocker(node.Name, node.OpType, "the upgrade table does not know this operator");
        var reason = Pending(changes, context.Model.Opset, target).Select(c => c.Check?.Invoke(context, node)).FirstOrDefault(r => r is not null);
        return reason is null ? null : new OpsetBlocker(node.Name, node.OpType, reason);
    }

    /// <summary>Bodies of control flow are not rewritten, so no operator in them may have changed.</summary>
    private static string? InnerBlocker(UpgradeContext context, NodeProto node, int target)
    {
        if (node.Domain is not ("" or "ai.onnx"))
            return null;
        if (OpsetTable.ChangesOf(node.OpType) is not { } changes)
            return "the upgrade table does not know this operator";
        return Pending(changes, context.Model.Opset, target).Any() ? "it changed, and bodies are not rewritten" : null;
    }

    private static IEnumerable<NodeProto> AllNodes(GraphProto graph) =>
        graph.Node.SelectMany(n => n.Attribute.SelectMany(a => a.G is null ? a.Graphs : a.Graphs.Prepend(a.G)).SelectMany(AllNodes).Prepend(n));

    private static IEnumerable<OpsetChange> Pending(IEnumerable<OpsetChange> changes, int from, int target) =>
        changes.Where(c => c.Version > from && c.Version <= target);
}

/// <summary>What a check or a rewrite may look at.</summary>
internal sealed class UpgradeContext(OnnxModel model)
{
    private InferredShapes? _shapes;
    private bool? _isFloat32;

    public OnnxModel Model => model;

    public Graph Graph => model.Graph;

    /// <summary>Whether float32 is the only real type of the model's constants, so that a new constant beside an activation is float32.</summary>
    public bool IsFloat32 => _isFloat32 ??= model.Graph.Initializers.All(t => !t.ElementType.IsReal() || t.ElementType == ElementType.Float32)
        && model.Graph.Inputs.All(i => !i.ElementType.IsReal() || i.ElementType == ElementType.Float32);

    public int? Rank(string value) => (_shapes ??= InferredShapes.Of(model)).Find(value)?.Count;

    /// <summary>Stores an int64 vector for a node that takes as input what was an attribute.</summary>
    public string Vector(Node node, string what, params long[] values) =>
        Graph.AddInitializer(Tensor.FromLongs(Graph.UniqueName($"{node.Name}.{what}"), values)).Name;

    public string Scalar(Node node, string what, float value) =>
        Graph.AddInitializer(Tensor.FromFloats(Graph.UniqueName($"{node.Name}.{what}"), [], [value])).Name;
}

/// <summary>An operator's change of form or meaning.</summary>
/// <param name="Version">The operator set that brought it.</param>
/// <param name="Check">Why this node cannot cross it; null where it can, or always.</param>
/// <param name="Apply">Rewrites the node; null where crossing needs nothing.</param>
internal sealed record OpsetChange(int Version, Func<UpgradeContext, Node, string?>? Check = null, Action<UpgradeContext, Node>? Apply = null);
