namespace Orchestrator.Onnx.Gradients;

/// <summary>Normalizations; batch normalization with fixed statistics.</summary>
internal static class NormalizationGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["BatchNormalization"] = BatchNormalization,
        ["LayerNormalization"] = LayerNormalization,
    };

    private static void BatchNormalization(GradientContext c, Node node, string dy)
    {
        if (node.Int("training_mode", 0) != 0)
            throw new OnnxException($"node '{node.Name}'", "its statistics change while it runs (training_mode); only fixed ones have a gradient rule");
        c.Refuse(node, 3, 4);
        var x = c.Shape(node, 0);
        long[] wide = [x[1], .. x.Skip(2).Select(_ => 1L)];
        long[] others = [.. Enumerable.Range(0, x.Count).Where(i => i != 1).Select(i => (long)i)];
        var deviation = c.Builder.Add("Sqrt", [c.Add(node.Inputs[4], c.Scalar(node.Float("epsilon", 1e-5f)))]);
        c.FlowWhole(node, 0, () => c.Mul(dy, c.Reshape(c.Div(node.Inputs[1], deviation), wide)));
        c.FlowWhole(node, 1, () => c.Div(
            c.Builder.Reduce("ReduceSum", c.Mul(dy, c.Sub(node.Inputs[0], c.Reshape(node.Inputs[3], wide))), false, others), deviation));
        c.FlowWhole(node, 2, () => c.Builder.Reduce("ReduceSum", dy, false, others));
    }

    /// <summary>With n = (x − mean)/deviation and g = dy·scale: dx = (g − mean(g) − n·mean(g·n))/deviation.</summary>
    private static void LayerNormalization(GradientContext c, Node node, string dy)
    {
        var rank = c.Shape(node, 0).Count;
        var first = (int)node.Int("axis", -1);
        long[] axes = [.. Enumerable.Range(first < 0 ? first + rank : first, first < 0 ? -first : rank - first).Select(i => (long)i)];
        string Mean(string value) => c.Builder.Reduce("ReduceMean", value, true, axes);
        var centred = c.Sub(node.Inputs[0], Mean(node.Inputs[0]));
        var deviation = c.Builder.Add("Sqrt", [c.Add(Mean(c.Mul(centred, centred)), c.Scalar(node.Float("epsilon", 1e-5f)))]);
        var normal = c.Div(centred, deviation);
        c.FlowWhole(node, 0, () =>
        {
            var g = c.Mul(dy, node.Inputs[1]);
            return c.Div(c.Sub(c.Sub(g, Mean(g)), c.Mul(normal, Mean(c.Mul(g, normal)))), deviation);
        });
        c.Flow(node, 1, () => c.Mul(dy, normal));
        c.Flow(node, 2, () => dy);
    }
}
