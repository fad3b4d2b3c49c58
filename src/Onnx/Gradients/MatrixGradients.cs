namespace Orchestrator.Onnx.Gradients;

/// <summary>Matrix products.</summary>
internal static class MatrixGradients
{
    public static IReadOnlyDictionary<string, GradientRule> Rules { get; } = new Dictionary<string, GradientRule>
    {
        ["Gemm"] = Gemm,
        ["MatMul"] = MatMul,
    };

    private static void Gemm(GradientContext c, Node node, string dy)
    {
        var (a, b) = (node.Inputs[0], node.Inputs[1]);
        var (isA, isB) = (node.Int("transA", 0) != 0, node.Int("transB", 0) != 0);
        var alpha = node.Float("alpha", 1);
        c.FlowWhole(node, 0, () => c.Scale(isA ? c.Builder.Gemm(b, dy, transA: isB, transB: true) : c.Builder.Gemm(dy, b, transB: !isB), alpha));
        c.FlowWhole(node, 1, () => c.Scale(
            isA || isB ? c.Builder.Gemm(isB ? dy : a, isB ? a : dy, transA: isB, transB: isA && isB) : OfRows(c, a, dy, c.Shape(node, 0)[1], c.Shape(node, 1)[1]), alpha));
        c.Flow(node, 2, () => c.Scale(dy, node.Float("beta", 1)));
    }

    private static void MatMul(GradientContext c, Node node, string dy)
    {
        var (a, b) = (c.Shape(node, 0), c.Shape(node, 1));
        if (a.Count < 2 || b.Count < 2)
            throw new OnnxException($"node '{node.Name}'", "the gradient of MatMul needs matrices, not vectors");
        long[] batch = [.. c.Shape(node, node.Output).SkipLast(2)];
        c.FlowWhole(node, 0, () => c.SumTo(c.Builder.MatMul(dy, Transposed(c, node.Inputs[1], b.Count)), [.. batch, a[^2], a[^1]], a));
        c.FlowWhole(node, 1, () => RightOf(c, node, dy));
    }

    /// <summary>A weight shared by all matrices of a batch takes one product over all their rows, not a product each and a sum.</summary>
    private static string RightOf(GradientContext c, Node node, string dy)
    {
        var (a, b) = (c.Shape(node, 0), c.Shape(node, 1));
        var y = c.Shape(node, node.Output);
        if (b.Count == 2)
            return OfRows(c, c.Reshape(node.Inputs[0], [-1, a[^1]]), c.Reshape(dy, [-1, b[1]]), a[^1], b[1]);
        return c.SumTo(c.Builder.MatMul(Transposed(c, node.Inputs[0], a.Count), dy), [.. y.SkipLast(2), b[^2], b[^1]], b);
    }

    /// <summary>
    /// aᵀ·dy for two that are much longer than wide. Runtimes transpose the left matrix of a product anew for every few columns of the right one, so the narrower
    /// one is transposed before, once, and the product if need be. The Flattens, which change nothing, keep ONNX Runtime from putting both together again.
    /// </summary>
    private static string OfRows(GradientContext c, string a, string dy, long inputs, long outputs)
    {
        string Turned(string matrix) => c.Builder.Add("Flatten", [c.Builder.Transpose(matrix, 1, 0)], NodeAttribute.Int("axis", 1));
        return inputs <= outputs
            ? c.Builder.MatMul(Turned(a), dy)
            : c.Builder.Transpose(c.Builder.Add("Flatten", [c.Builder.MatMul(Turned(dy), a)], NodeAttribute.Int("axis", 1)), 1, 0);
    }

    private static string Transposed(GradientContext c, string value, int rank) =>
        c.Builder.Transpose(value, [.. Enumerable.Range(0, rank - 2).Select(i => (long)i), rank - 1, rank - 2]);
}
