namespace Orchestrator.Onnx.Shapes;

internal static class MatrixRules
{
    public static void Gemm(ShapeContext context, Node node)
    {
        if (context.Shape(node, 0) is not { Length: 2 } a || context.Shape(node, 1) is not { Length: 2 } b)
            return;
        var rows = node.Int("transA", 0) != 0 ? a[1] : a[0];
        context.Set(node, [rows, node.Int("transB", 0) != 0 ? b[0] : b[1]]);
    }

    /// <summary>NumPy's matmul: batch axes broadcast, a vector loses its axis.</summary>
    /// <param name="right">Which input the right matrix is.</param>
    public static void MatMul(ShapeContext context, Node node, int right = 1)
    {
        if (context.Shape(node, 0) is not { Length: > 0 } a || context.Shape(node, right) is not { Length: > 0 } b)
            return;
        var batch = ElementRules.Broadcast(a[..^Math.Min(2, a.Length)], b[..^Math.Min(2, b.Length)]);
        if (batch is null)
            return;
        var shape = batch.ToList();
        if (a.Length > 1)
            shape.Add(a[^2]);
        if (b.Length > 1)
            shape.Add(b[^1]);
        context.Set(node, [.. shape]);
    }
}
