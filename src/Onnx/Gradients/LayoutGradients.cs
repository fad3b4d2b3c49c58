namespace Orchestrator.Onnx.Gradients;

/// <summary>Operators that move elements and change none.</summary>
internal static class LayoutGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Identity"] = (c, n, dy) => c.FlowWhole(n, 0, () => dy),
        ["Cast"] = (c, n, dy) => c.FlowWhole(n, 0, () => dy),
        ["Dropout"] = Dropout,
        ["Reshape"] = Reshape,
        ["Flatten"] = Flatten,
        ["Squeeze"] = Reshape,
        ["Unsqueeze"] = Reshape,
        ["Expand"] = (c, n, dy) => c.Flow(n, 0, () => dy),
        ["Transpose"] = Transpose,
        ["Concat"] = Concat,
        ["Split"] = Split,
    };

    private static void Dropout(GradientContext c, Node node, string dy)
    {
        if (node.Input(2) is { } training && WeightView.Find(c.Builder.Model.Graph, training)?.Tensor.ReadLongs() is not [0])
            throw new OnnxException($"node '{node.Name}'", "a Dropout that drops has no gradient rule", "give the model in inference form");
        c.FlowWhole(node, 0, () => dy);
    }

    /// <summary>A matrix that stays as it is goes back as it came: who writes such a Flatten wants it there.</summary>
    private static void Flatten(GradientContext c, Node node, string dy)
    {
        if (c.Shape(node, 0).SequenceEqual(c.Shape(node, node.Output)))
            c.FlowWhole(node, 0, () => c.Builder.Add("Flatten", [dy], NodeAttribute.Int("axis", node.Int("axis", 1))));
        else
            Reshape(c, node, dy);
    }

    private static void Reshape(GradientContext c, Node node, string dy) => c.FlowWhole(node, 0, () => c.Reshape(dy, c.Shape(node, 0)));

    private static void Transpose(GradientContext c, Node node, string dy)
    {
        var rank = c.Shape(node, 0).Count;
        var permutation = node.Ints("perm") ?? [.. Enumerable.Range(0, rank).Reverse().Select(i => (long)i)];
        c.FlowWhole(node, 0, () => c.Builder.Transpose(dy, Enumerable.Range(0, rank).Select(i => (long)Array.IndexOf(permutation, i))));
    }

    private static void Concat(GradientContext c, Node node, string dy)
    {
        var axis = Axis(node.Int("axis", 0), c.Shape(node, 0).Count);
        var start = 0L;
        for (var i = 0; i < node.Inputs.Count; i++)
        {
            var (from, end) = (start, start + c.Shape(node, i)[axis]);
            c.FlowWhole(node, i, () => c.Builder.Slice(dy, axis, from, end));
            start = end;
        }
    }

    private static void Split(GradientContext c, Node node, string dy) =>
        c.FlowWhole(node, 0, () => c.Builder.Concat(
            Axis(node.Int("axis", 0), c.Shape(node, 0).Count),
            [.. node.Outputs.Select(o => c.Of(o) ?? c.Zeros(c.Shape(node, o)))]));

    private static int Axis(long axis, int rank) => (int)(axis < 0 ? axis + rank : axis);
}
