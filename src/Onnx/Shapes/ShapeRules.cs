namespace Orchestrator.Onnx.Shapes;

/// <summary>Which rule infers which operator.</summary>
internal static class ShapeRules
{
    public static void Apply(ShapeContext context, Node node)
    {
        if (node.Domain.Length == 0)
            OfSpecification(context, node);
        context.TakeStated(node);
        if (node.Domain.Length == 0)
            IntegerRules.Apply(context, node);
    }

    private static void OfSpecification(ShapeContext context, Node node)
    {
        switch (node.OpType)
        {
            case "Constant":
                if (context.ConstantOf(node) is { } tensor)
                    context.Learn(node.Output, tensor);
                break;
            case "Conv" or "ConvInteger" or "QLinearConv":
                WindowRules.Convolution(context, node);
                break;
            case "ConvTranspose":
                WindowRules.TransposedConvolution(context, node);
                break;
            case "MaxPool" or "AveragePool" or "LpPool":
                WindowRules.Pool(context, node);
                break;
            case "GlobalAveragePool" or "GlobalMaxPool" or "GlobalLpPool":
                WindowRules.GlobalPool(context, node);
                break;
            case "Gemm":
                MatrixRules.Gemm(context, node);
                break;
            case "MatMul" or "MatMulInteger":
                MatrixRules.MatMul(context, node);
                break;
            default:
                if (!LayoutRules.Apply(context, node) && !ElementRules.Apply(context, node) && !OutputRules.Apply(context, node))
                    SizeRules.Apply(context, node);
                break;
        }
    }
}
