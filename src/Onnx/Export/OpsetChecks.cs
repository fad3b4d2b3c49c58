namespace Orchestrator.Onnx.Export;

/// <summary>Conditions under which a node crosses a change of its operator; each returns the reason where it cannot.</summary>
internal static class OpsetChecks
{
    public static string? AveragePoolCeil(UpgradeContext context, Node node) =>
        node.Int("ceil_mode", 0) != 0 ? "with ceil_mode its last window is averaged differently" : null;

    public static string? SpatialNorm(UpgradeContext context, Node node) =>
        node.Int("spatial", 1) != 1 ? "with spatial=0 it normalizes per element, which was dropped" : null;

    public static string? TrainingOutputs(UpgradeContext context, Node node) =>
        node.Outputs.Skip(1).Any(o => o.Length > 0 && IsRead(context.Graph, o)) ? "its training outputs are read" : null;

    public static string? DropoutMask(UpgradeContext context, Node node) =>
        node.Outputs.Skip(1).Any(o => o.Length > 0 && IsRead(context.Graph, o)) ? "its mask changed type and is read" : null;

    /// <summary>Before operator set 11 enlarging took the element below and shrinking the one above; only the first has a name since.</summary>
    public static string? OldResize(UpgradeContext context, Node node)
    {
        var scales = node.Floats("scales") ?? WeightView.Find(context.Graph, node.Input(1))?.Tensor.ReadFloats();
        if (scales is null)
            return "its scales are computed";
        if (scales.Any(s => s < 1))
            return "it shrinks its input, with a rounding that newer versions have no name for";
        return node.Text("mode", "nearest") is "nearest" or "linear" ? null : $"its mode '{node.Text("mode", "")}' is not known";
    }

    public static string? ResizeMode(UpgradeContext context, Node node) =>
        node.Text("coordinate_transformation_mode", "half_pixel") == "tf_half_pixel_for_nn" ? "the mode tf_half_pixel_for_nn was dropped" : null;

    /// <summary>Bounds and fill values became inputs of the activation's own element type.</summary>
    public static string? RealAttributes(UpgradeContext context, Node node) =>
        context.IsFloat32 || !(node.HasAttribute("min") || node.HasAttribute("max") || node.Float("value", 0) != 0)
            ? null
            : "its numbers became inputs of the activation's type, which is not float32 throughout the model";

    private static bool IsRead(Graph graph, string value) => graph.Uses(value).Count > 0 || graph.IsOutput(value);
}
