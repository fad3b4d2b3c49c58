using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Gradients;

/// <summary>
/// Reverse-mode differentiation: adds to a graph the nodes that compute the gradient of a scalar. What is added are plain operators of the
/// specification that CPU, CUDA and WebGPU have. Rounding is passed straight through; clipping passes the gradient inside the range, its ends included.
/// </summary>
public static class Gradients
{
    private const int OldestOpset = 13;

    /// <summary>Adds the gradients of <paramref name="loss"/> with respect to some values: inputs, initializers or what nodes compute.</summary>
    /// <param name="loss">A value of one element.</param>
    /// <returns>For every wanted value the name of its gradient, which has the value's shape.</returns>
    /// <exception cref="OnnxException">
    /// An operator between a wanted value and the loss has no rule or lacks what the rule must know, the shapes are not fixed, the loss does
    /// not depend on a wanted value, or the operator set is older than 13.
    /// </exception>
    public static IReadOnlyDictionary<string, string> Add(GraphBuilder builder, string loss, IReadOnlyList<string> wanted)
    {
        var graph = builder.Model.Graph;
        Check(builder, loss, wanted);
        if (Unsupported(graph, loss, wanted) is [var first, ..])
            throw new OnnxException($"node '{first.Name}'", $"there is no gradient rule for {first.OpType}", "reconstruct layer by layer, or leave the layer alone");
        var path = GradientPath.Between(graph, wanted, loss);
        var context = new GradientContext(builder, InferredShapes.Of(builder.Model), path);
        context.Start(loss);
        foreach (var node in path.Nodes.Reverse())
            if (node.Outputs.Select(context.Of).OfType<string>().FirstOrDefault() is { } gradient)
                Apply(GradientRules.Find(node)!, context, node, gradient);
        return wanted.Distinct().ToDictionary(w => w, w => context.Of(w) ?? throw new OnnxException($"value '{w}'", $"the loss '{loss}' does not depend on it"));
    }

    private static void Apply(GradientRule rule, GradientContext context, Node node, string gradient)
    {
        try
        {
            rule(context, node, gradient);
        }
        catch (ArgumentException e)
        {
            // Rules count with axes and sizes as the specification allows them; files of strangers need not.
            throw new OnnxException($"node '{node.Name}'", $"its attributes or inputs do not go with its shapes ({e.Message})");
        }
    }

    /// <summary>The nodes between the wanted values and the loss that have no rule, in the graph's order.</summary>
    public static IReadOnlyList<Node> Unsupported(Graph graph, string loss, IReadOnlyList<string> wanted) =>
        [.. GradientPath.Between(graph, wanted, loss).Nodes.Where(n => GradientRules.Find(n) is null)];

    private static void Check(GraphBuilder builder, string loss, IReadOnlyList<string> wanted)
    {
        var graph = builder.Model.Graph;
        if (builder.Opset < OldestOpset)
            throw new OnnxException("graph", $"gradients need operator set {OldestOpset}; the graph has {builder.Opset}", "raise the model's operator set");
        foreach (var value in wanted.Append(loss).Where(v => !graph.Has(v)))
            throw new OnnxException($"value '{value}'", "there is no such value");
        foreach (var input in graph.Inputs.Where(i => i.Shape is null || i.Shape.Any(d => d < 0)))
            throw new OnnxException($"input '{input.Name}'", "gradients need shapes that are fixed", "state its dimensions, the batch included");
    }
}
