using Orchestrator.Onnx;

namespace Orchestrator.TestKit.Interpreting;

/// <summary>
/// Runs graphs in double precision, operator by operator and as plainly as the specification says it: the reference that gradients and float
/// kernels are held against. Element types are not looked at: everything is a double.
/// </summary>
public static class DoubleInterpreter
{
    /// <summary>Every value of the graph, for the inputs given.</summary>
    public static IReadOnlyDictionary<string, DoubleTensor> Run(OnnxModel model, IReadOnlyDictionary<string, DoubleTensor> inputs)
    {
        var values = new Dictionary<string, DoubleTensor>(inputs);
        foreach (var tensor in model.Graph.Initializers)
            values.TryAdd(tensor.Name, new DoubleTensor([.. tensor.Shape], tensor.ReadDoubles()));
        foreach (var node in model.Graph.Nodes)
        {
            var outputs = Operators.Run(node, [.. node.Inputs.Select(i => i.Length == 0 ? null : values[i])]);
            for (var i = 0; i < outputs.Count && i < node.Outputs.Count; i++)
                if (node.Outputs[i].Length > 0)
                    values[node.Outputs[i]] = outputs[i];
        }
        return values;
    }

    private static class Operators
    {
        public static IReadOnlyList<DoubleTensor> Run(Node node, DoubleTensor?[] inputs) =>
            node.OpType == "Split" ? LayoutOperators.Split(node, inputs)
            : [ElementOperators.Run(node, inputs) ?? MatrixOperators.Run(node, inputs) ?? LayoutOperators.Run(node, inputs)
                ?? throw new NotSupportedException($"The interpreter has no {node.OpType}.")];
    }
}
