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
        foreach (var node in model.Graph.Nodes.ToList())
        {
            if (node.HasSubgraphs)
                model.Graph.EditBodies(node, inner => Rewrite(context, inner, target));
            Rewrite(context, node, target);
        }
        model.SetOpset("", target);
        model.Graph.Sort();
    }

    private static void Rewrite(UpgradeContext context, Node node, int target)
    {
        if (node.Domain.Length > 0)
            return;
        foreach (var change in Pending(OpsetTable.ChangesOf(node.OpType)!, context.Model.Opset, target))
            change.Apply?.Invoke(context, node);
    }

    private static OpsetBlocker? Blocker(UpgradeContext context, Node node, int target)
    {
        foreach (var inner in node.Bodies)
            if (Reason(context, inner, target, isInBody: true) is { } innerReason)
                return new OpsetBlocker(node.Name, node.OpType, $"its body holds {inner.OpType}: {innerReason}");
        return Reason(context, node, target, isInBody: false) is { } reason ? new OpsetBlocker(node.Name, node.OpType, reason) : null;
    }

    private static string? Reason(UpgradeContext context, Node node, int target, bool isInBody)
    {
        if (node.Domain.Length > 0)
            return null;
        if (OpsetTable.ChangesOf(node.OpType) is not { } changes)
            return "the upgrade table does not know this operator";
        foreach (var change in Pending(changes, context.Model.Opset, target))
        {
            if (isInBody && !change.InBody)
                return $"it changed with operator set {change.Version}, which needs more than its own node";
            if (change.Check?.Invoke(context, node) is { } reason)
                return reason;
        }
        return null;
    }

    private static IEnumerable<OpsetChange> Pending(IEnumerable<OpsetChange> changes, int from, int target) =>
        changes.Where(c => c.Version > from && c.Version <= target);
}
