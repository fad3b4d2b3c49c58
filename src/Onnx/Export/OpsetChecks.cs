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

    /// <summary>Before operator set 11 the nearest element was the one below where a Resize enlarged, and the one above where it shrank.</summary>
    public static string? OldResize(UpgradeContext context, Node node) => node.Text("mode", "nearest") switch
    {
        "linear" => null,
        "nearest" when node.Is("Upsample") || OldScales(context, node) is { } scales && (scales.All(s => s >= 1) || scales.All(s => s <= 1)) => null,
        "nearest" => OldScales(context, node) is null
            ? "its scales are computed, and rounding depends on them"
            : "it shrinks one axis and enlarges another, which no rounding of newer versions does alike",
        var mode => $"its mode '{mode}' is not known",
    };

    public static float[]? OldScales(UpgradeContext context, Node node) =>
        node.Floats("scales") ?? WeightView.Find(context.Graph, node.Input(1))?.Tensor.ReadFloats();

    /// <summary>Scale and bias per group became one per channel.</summary>
    public static string? GroupScales(UpgradeContext context, Node node)
    {
        if (Channels(context, node) is not { } channels)
            return "its number of channels is not known, and scale and bias became one per channel";
        var groups = node.Int("num_groups", 1);
        return Enumerable.Range(1, 2).All(i => WeightView.Find(context.Graph, node.Input(i)) is { } view && view.Tensor.Count == groups) && channels % groups == 0
            ? null
            : "its scale or bias is computed, and they became one per channel";
    }

    public static int? Channels(UpgradeContext context, Node node) => node.Input(0) is { } input && context.Shape(input) is [_, > 0 and var channels, ..] ? (int)channels : null;

    public static string? ResizeMode(UpgradeContext context, Node node) =>
        node.Text("coordinate_transformation_mode", "half_pixel") == "tf_half_pixel_for_nn" ? "the mode tf_half_pixel_for_nn was dropped" : null;

    /// <summary>Bounds and fill values became inputs of the activation's own element type.</summary>
    public static string? RealAttributes(UpgradeContext context, Node node) =>
        !(node.HasAttribute("min") || node.HasAttribute("max") || node.Float("value", 0) != 0) || (node.Input(0) is { } input && context.RealType(input) is not null)
            ? null
            : "its numbers became inputs of the activation's type, which cannot be told";

    private static bool IsRead(Graph graph, string value) => graph.Uses(value).Count > 0 || graph.IsOutput(value);
}
