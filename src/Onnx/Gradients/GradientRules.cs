namespace Orchestrator.Onnx.Gradients;

/// <summary>Adds the gradients of a node's inputs, given that of its first output.</summary>
internal delegate void GradientRule(GradientContext context, Node node, string gradient);

/// <summary>Which rule differentiates which operator.</summary>
internal static class GradientRules
{
    private static readonly Dictionary<string, GradientRule> s_rules = new(
        ElementGradients.Rules.Concat(ActivationGradients.Rules).Concat(RoundingGradients.Rules).Concat(MatrixGradients.Rules)
            .Concat(ConvolutionGradients.Rules).Concat(ReductionGradients.Rules).Concat(LayoutGradients.Rules).Concat(NormalizationGradients.Rules)
            .Concat(SelectionGradients.Rules).Concat(PoolGradients.Rules),
        StringComparer.Ordinal);

    /// <summary>Operators that are constant almost everywhere: nothing flows through them.</summary>
    private static readonly HashSet<string> s_constant =
    [
        "And", "ArgMax", "ArgMin", "ConstantOfShape", "Equal", "Greater", "GreaterOrEqual", "IsInf", "IsNaN", "Less", "LessOrEqual",
        "NonZero", "Not", "Or", "Shape", "Sign", "Size", "Xor",
    ];

    public static IEnumerable<string> Operators => s_rules.Keys;

    public static GradientRule? Find(Node node) => node.Domain.Length == 0 && !node.HasSubgraphs ? s_rules.GetValueOrDefault(node.OpType) : null;

    public static bool IsConstant(Node node) => node.Domain.Length == 0 && s_constant.Contains(node.OpType);
}
