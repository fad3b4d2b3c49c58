namespace Orchestrator.Onnx.Export;

/// <summary>Rewrites of one node to the form it has since a newer operator set. All forms are valid from operator set 13 on.</summary>
internal static class OpsetRewrites
{
    public static void AxesInput(UpgradeContext context, Node node)
    {
        if (node.Ints("axes") is { } axes)
            node.SetInput(1, context.Vector(node, "axes", axes));
        node.RemoveAttribute("axes");
    }

    /// <summary>Without axes the old form reduces all, which is the new form's default too.</summary>
    public static void ReduceAxes(UpgradeContext context, Node node) => AxesInput(context, node);

    public static void ClipBounds(UpgradeContext context, Node node)
    {
        if (node.HasAttribute("min"))
            node.SetInput(1, context.Scalar(node, "min", node.Float("min", 0)));
        if (node.HasAttribute("max"))
            node.SetInput(2, context.Scalar(node, "max", node.Float("max", 0)));
        node.RemoveAttribute("min");
        node.RemoveAttribute("max");
    }

    public static void DropSpatial(UpgradeContext context, Node node) => node.RemoveAttribute("spatial");

    public static void DropTrainingOutputs(UpgradeContext context, Node node)
    {
        for (var i = node.Outputs.Count - 1; i > 0; i--)
            node.SetOutput(i, "");
    }

    /// <summary>In inference the ratio does nothing, and the newer form is in inference unless told otherwise.</summary>
    public static void DropoutRatio(UpgradeContext context, Node node)
    {
        node.RemoveAttribute("ratio");
        node.RemoveAttribute("is_test");
    }

    public static void GridSampleMode(UpgradeContext context, Node node) =>
        node.SetAttribute(NodeAttribute.Text("mode", node.Text("mode", "bilinear") switch { "bilinear" => "linear", "bicubic" => "cubic", var mode => mode }));

    public static void PadInputs(UpgradeContext context, Node node)
    {
        node.SetInput(1, context.Vector(node, "pads", node.Ints("pads") ?? []));
        if (node.Float("value", 0) != 0)
            node.SetInput(2, context.Scalar(node, "value", node.Float("value", 0)));
        node.RemoveAttribute("pads");
        node.RemoveAttribute("value");
    }

    /// <summary>Resize before operator set 11, and Upsample: scales alone, aligned at the corner, rounded down.</summary>
    public static void OldResize(UpgradeContext context, Node node)
    {
        var shrinks = node.Is("Resize") && OpsetChecks.OldScales(context, node)?.Any(s => s < 1) == true;
        var scales = node.Input(1) ?? context.Graph.AddInitializer(
            Tensor.FromFloats(context.Graph.UniqueName($"{node.Name}.scales"), [node.Floats("scales")!.Length], node.Floats("scales"))).Name;
        node.SetOpType("Resize");
        node.SetInput(2, scales);
        node.SetInput(1, "");
        node.RemoveAttribute("scales");
        node.SetAttribute(NodeAttribute.Text("coordinate_transformation_mode", "asymmetric"));
        node.SetAttribute(NodeAttribute.Text("nearest_mode", shrinks ? "ceil" : "floor"));
    }

    public static void AxisInput(UpgradeContext context, Node node)
    {
        node.SetInput(2, context.LongScalar(node, "axis", node.Int("axis", 1)));
        node.RemoveAttribute("axis");
    }

    public static void GroupScales(UpgradeContext context, Node node)
    {
        var channels = OpsetChecks.Channels(context, node)!.Value;
        for (var i = 1; i <= 2; i++)
        {
            var view = WeightView.Find(context.Graph, node.Input(i))!;
            var values = view.Tensor.ReadDoubles();
            var perChannel = Enumerable.Range(0, channels).Select(c => values[c * values.Length / channels]).ToArray();
            node.SetInput(i, context.Add(Tensor.FromReals($"{view.Storage}_per_channel", view.ReadAs, [channels], perChannel)));
        }
    }

    public static void RoiAlignMode(UpgradeContext context, Node node) =>
        node.SetAttribute(NodeAttribute.Text("coordinate_transformation_mode", "output_half_pixel"));

    public static void SliceInputs(UpgradeContext context, Node node)
    {
        var (starts, ends, axes) = (node.Ints("starts") ?? [], node.Ints("ends") ?? [], node.Ints("axes"));
        node.SetInput(1, context.Vector(node, "starts", starts));
        node.SetInput(2, context.Vector(node, "ends", ends));
        if (axes is not null)
            node.SetInput(3, context.Vector(node, "axes", axes));
        foreach (var attribute in new[] { "starts", "ends", "axes" })
            node.RemoveAttribute(attribute);
    }

    /// <summary>
    /// The old form flattens everything from the axis on, the new one works along the axis alone. They agree on the last axis; elsewhere the
    /// input is flattened for real and the result put back in shape.
    /// </summary>
    public static void SoftmaxAxis(UpgradeContext context, Node node)
    {
        var (graph, axis, input) = (context.Graph, node.Int("axis", 1), node.Inputs[0]);
        node.SetAttribute(NodeAttribute.Int("axis", -1));
        if (axis == -1 || (context.Shape(input) is { Count: var rank } && axis == rank - 1))
            return;

        string Added(string opType, IEnumerable<string> inputs, string output, params IEnumerable<NodeAttribute> attributes) =>
            graph.Add(new Node(opType, graph.UniqueName($"{node.Name}.{opType}"), inputs, [output], attributes), node).Output;

        var shape = Added("Shape", [input], graph.UniqueName($"{input}.shape"));
        node.SetInput(0, Added("Flatten", [input], graph.UniqueName($"{input}.flat"), NodeAttribute.Int("axis", axis)));
        var output = node.Output;
        node.SetOutput(0, graph.UniqueName($"{output}.flat"));
        Added("Reshape", [node.Output, shape], output);
    }

    public static void SplitSizes(UpgradeContext context, Node node)
    {
        if (node.Ints("split") is { } sizes)
            node.SetInput(1, context.Vector(node, "split", sizes));
        node.RemoveAttribute("split");
    }

    public static void SplitCount(UpgradeContext context, Node node)
    {
        if (node.Input(1) is null)
            node.SetAttribute(NodeAttribute.Int("num_outputs", node.Outputs.Count));
    }

    public static void TopKInput(UpgradeContext context, Node node)
    {
        if (node.HasAttribute("k"))
            node.SetInput(1, context.Vector(node, "k", node.Int("k", 1)));
        node.RemoveAttribute("k");
    }
}
