using Orchestrator.Onnx;

namespace Orchestrator.Compression.Reconstruction.Activations;

/// <summary>The value behind the activation function that follows a value, be it one operator or spelled out in several (x·sigmoid(x), GELU with Erf).</summary>
internal static class ActivationTail
{
    /// <summary>GELU by Tanh, spelled out, takes nine.</summary>
    private const int MostNodes = 16;

    private static readonly HashSet<string> s_elementwise =
    [
        "Relu", "Clip", "LeakyRelu", "PRelu", "Elu", "Selu", "Celu", "Sigmoid", "HardSigmoid", "HardSwish", "Tanh", "Gelu", "Softplus", "Softsign", "Mish", "ThresholdedRelu",
        "Add", "Sub", "Mul", "Div", "Pow", "Sqrt", "Erf", "Exp", "Neg", "Abs", "Min", "Max", "BatchNormalization",
    ];

    /// <summary>The last value on the way that is computed, element by element, from the value and constants alone, and through which all goes that reads the value.</summary>
    public static string Of(Graph graph, string value)
    {
        var reached = new HashSet<string>(StringComparer.Ordinal) { value };
        var nodes = new HashSet<Node>();
        var tail = value;
        while (nodes.Count < MostNodes && Next(graph, reached, nodes) is { } next)
        {
            nodes.Add(next);
            reached.Add(next.Output);
            if (reached.All(v => v == next.Output || (!graph.IsOutput(v) && graph.Uses(v).All(use => nodes.Contains(use.Node)))))
                tail = next.Output;
        }

        return tail;
    }

    /// <summary>Whether each element of the node's output depends on one of each input at most.</summary>
    public static bool IsElementwise(Node node) => node.Domain.Length == 0 && s_elementwise.Contains(node.OpType) && node.Outputs.Count == 1;

    private static Node? Next(Graph graph, HashSet<string> reached, HashSet<Node> nodes) => reached
        .SelectMany(v => graph.Uses(v), (_, use) => use.Node)
        .FirstOrDefault(n => !nodes.Contains(n) && IsElementwise(n) && n.Inputs.All(i => i.Length == 0 || reached.Contains(i) || WeightView.Find(graph, i) is not null));
}
