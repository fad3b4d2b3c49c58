using Orchestrator.Onnx;
using Orchestrator.Onnx.Gradients;
using Orchestrator.Onnx.Passes;

namespace Orchestrator.Benchmarks.Reconstruction;

/// <summary>
/// A residual block of two 3×3 convolutions and its gradients, of its input and both weights, with neither rounding nor Adam: what a framework calls forward and
/// backward. All values are inputs of the graph, as nothing but constants of minimal filtering may be computed beforehand.
/// </summary>
internal static class ForwardBackward
{
    public const string Name = "forward and backward alone, residual 28x28 64->64";
    private const long Channels = 64;
    private const long Side = 28;

    /// <summary>Of a sample: forward, gradients of inputs and of weights.</summary>
    public const double Operations = 3 * 2 * 2.0 * Channels * Channels * 9 * Side * Side;

    public static OnnxModel Graph(long batch)
    {
        var b = new GraphBuilder(20);
        string Image(string name) => b.Input(name, ElementType.Float32, batch, Channels, Side, Side);
        string Convolve(string value, int layer) => b.Add(
            "Conv",
            [value, b.Input($"w{layer}", ElementType.Float32, Channels, Channels, 3, 3), b.Input($"b{layer}", ElementType.Float32, Channels)],
            NodeAttribute.Ints("pads", 1, 1, 1, 1));
        var x = Image("x");
        var y = b.Output(b.Add("Relu", [b.Binary("Add", Convolve(b.Add("Relu", [Convolve(x, 1)]), 2), x)]));
        var loss = b.Output(b.Reduce("ReduceSum", b.Binary("Mul", y, Image("dy")), false, 0, 1, 2, 3));
        var model = b.Build();
        new WinogradConvolutions().Run(model);
        var edited = GraphBuilder.Edit(model);
        foreach (var gradient in Gradients.Add(edited, loss, ["x", "w1", "w2"]).Values)
            edited.Output(gradient);
        model.Graph.RemoveOutput(loss);
        return edited.Build();
    }
}
