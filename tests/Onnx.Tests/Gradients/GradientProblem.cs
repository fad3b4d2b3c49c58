using Orchestrator.Onnx.Gradients;
using Orchestrator.TestKit.Interpreting;

namespace Orchestrator.Onnx.Tests.Gradients;

/// <summary>A random graph with a scalar loss; its gradients are held against central differences in double.</summary>
internal sealed class GradientProblem(int seed, int opset = 20)
{
    /// <summary>Step of the central differences: their own error is of the order of its square.</summary>
    private const double Step = 1e-5;

    /// <summary>Cancellation in a difference quotient of values near 10 is about 1e-10; constants in the graph are rounded to float, 6e-8.</summary>
    private const double Tolerance = 2e-6;

    private readonly Dictionary<string, DoubleTensor> _inputs = [];

    public Random Random { get; } = new(seed);

    public GraphBuilder Graph { get; } = new(opset);

    public IReadOnlyDictionary<string, DoubleTensor> Inputs => _inputs;

    public long Size(int atMost = 4) => Random.Next(1, atMost + 1);

    public long[] Shape(int rank, int atMost = 4) => [.. Enumerable.Range(0, rank).Select(_ => Size(atMost))];

    /// <summary>An input between the bounds, at no point closer than a thousandth to any of the kinks.</summary>
    public string Input(string name, long[] shape, double low = -2, double high = 2, params double[] kinks)
    {
        _inputs[name] = DoubleTensor.Build(shape, _ =>
        {
            double value;
            do
                value = low + (Random.NextDouble() * (high - low));
            while (kinks.Any(k => Math.Abs(value - k) < 1e-3));
            return value;
        });
        return Graph.Input(name, ElementType.Float32, shape);
    }

    /// <summary>The sum of the value's elements, each with a weight of its own, so that no gradient cancels.</summary>
    public string Loss(string value, params long[] shape)
    {
        var weights = DoubleTensor.Build(shape, _ => (float)((2 * Random.NextDouble()) - 1));
        var constant = Graph.Constant(Tensor.FromReals("weights", ElementType.Float32, shape, weights.Values));
        return Graph.Reduce("ReduceSum", Graph.Binary("Mul", value, constant), false, [.. Enumerable.Range(0, shape.Length).Select(i => (long)i)]);
    }

    /// <summary>As above, with the shape found by running the graph.</summary>
    public string Loss(string value)
    {
        var model = GraphBuilder.Extend(Graph.Model);
        model.Output(value);
        return Loss(value, DoubleInterpreter.Run(model.Build(), _inputs)[value].Shape);
    }

    public void Check(string loss, params string[] wanted)
    {
        var forward = GraphBuilder.Extend(Graph.Model);
        forward.Output(loss);
        var model = forward.Build();
        var gradients = Onnx.Gradients.Gradients.Add(Graph, loss, wanted);
        foreach (var gradient in gradients.Values)
            Graph.Output(gradient);
        var computed = DoubleInterpreter.Run(Graph.Build(), _inputs);
        foreach (var name in wanted)
        {
            var gradient = computed[gradients[name]];
            Assert.Equal(_inputs[name].Shape, gradient.Shape);
            for (var i = 0; i < gradient.Values.Length; i++)
            {
                var expected = (At(model, loss, name, i, Step) - At(model, loss, name, i, -Step)) / (2 * Step);
                var error = Math.Abs(expected - gradient.Values[i]) / Math.Max(1, Math.Abs(expected));
                Assert.True(error < Tolerance, $"{name}[{i}]: {gradient.Values[i]} where central differences give {expected}");
            }
        }
    }

    private double At(OnnxModel model, string loss, string name, int element, double step)
    {
        var moved = _inputs[name].Values.ToArray();
        moved[element] += step;
        return DoubleInterpreter.Run(model, new Dictionary<string, DoubleTensor>(_inputs) { [name] = _inputs[name] with { Values = moved } })[loss].Values[0];
    }
}
