using Orchestrator.Onnx.Passes;
using Orchestrator.TestKit.Interpreting;

namespace Orchestrator.Onnx.Tests.Passes;

/// <summary>A block of convolutions with random inputs, whose values and gradients a pass must leave what they are.</summary>
internal sealed class RewrittenConvolutions(int seed)
{
    private readonly Random _random = new(seed);
    private readonly Dictionary<string, DoubleTensor> _inputs = [];

    public GraphBuilder Graph { get; } = new(20);

    public string Input(string name, params long[] shape)
    {
        _inputs[name] = DoubleTensor.Build(shape, _ => (float)((2 * _random.NextDouble()) - 1));
        return Graph.Input(name, ElementType.Float32, shape);
    }

    /// <summary>The sum of a value's squares, which the gradients are of.</summary>
    public void Loss(string value) => Graph.Output(Graph.Reduce("ReduceSum", Graph.Binary("Mul", value, value), false, 0, 1, 2, 3), "loss");

    public Graph Rewritten(IPass pass)
    {
        Assert.True(pass.Run(Graph.Model));
        return Graph.Model.Graph;
    }

    /// <summary>The loss, the further values and the loss's gradients of all inputs, by name.</summary>
    public Dictionary<string, DoubleTensor> Values(params string[] further)
    {
        var gradients = Onnx.Gradients.Gradients.Add(Graph, "loss", [.. _inputs.Keys]);
        string[] names = ["loss", .. further, .. gradients.Select(g => Graph.Output(g.Value, $"{g.Key}.gradient"))];
        var values = DoubleInterpreter.Run(Graph.Build(), _inputs);
        return names.ToDictionary(n => n, n => values[n]);
    }

    public static void Same(Dictionary<string, DoubleTensor> expected, Dictionary<string, DoubleTensor> actual, double tolerance)
    {
        foreach (var (name, tensor) in expected)
        {
            var scale = Math.Max(1, tensor.Values.Max(Math.Abs));
            Assert.Equal(tensor.Shape, actual[name].Shape);
            for (var i = 0; i < tensor.Values.Length; i++)
                Assert.InRange((actual[name].Values[i] - tensor.Values[i]) / scale, -tolerance, tolerance);
        }
    }
}
