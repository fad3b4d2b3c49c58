namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Folds a batch normalization in inference mode into the Conv, ConvTranspose or Gemm before it (algorithms.md 0.4):
/// f = γ/√(v + ε), W′ = f·W, b′ = β + f·(b − μ), per output channel, in double. Skipped where anything else reads the layer's output or
/// a parameter is computed, or where the weight's type cannot hold the product. A weight that other nodes read too is copied for the folded one.
/// </summary>
/// <param name="factors">Receives f of every layer that is folded into, by the node's name.</param>
public sealed class FoldBatchNorm(IDictionary<string, IReadOnlyList<double>>? factors = null) : IPass
{
    public string Name => "fold-batch-norm";

    public PassEffect Effect => PassEffect.Nodes | PassEffect.Constants | PassEffect.Weights;

    public bool Run(OnnxModel model)
    {
        var graph = model.Graph;
        var changed = false;
        var copied = CopyBudget.Of(graph);
        foreach (var norm in graph.Nodes.Where(n => n.Is("BatchNormalization")).ToList())
            changed |= Fold(graph, norm, copied);
        return changed;
    }

    private bool Fold(Graph graph, Node norm, CopyBudget copied)
    {
        if (!IsInference(graph, norm) || graph.Producer(norm.Inputs[0]) is not { } layer || layer.Outputs.Count != 1
            || graph.IsOutput(layer.Output) || graph.Uses(layer.Output).Count != 1)
            return false;
        if (WeightView.Find(graph, layer.Input(1)) is not { } weight || !weight.Tensor.ElementType.IsReal()
            || WeightAxis.OfOutput(layer, weight.Tensor) is not { } axis || Affine.Of(graph, norm, axis.Channels) is not { } affine)
            return false;
        var beta = layer.Is("Gemm") ? layer.Float("beta", 1) : 1;
        if (Bias(graph, layer, axis.Channels) is not { } bias || (!IsOwn(graph, weight) && !copied.Take(weight.Tensor.ByteCount)))
            return false;

        var values = weight.Tensor.ReadDoubles();
        for (var i = 0; i < values.Length; i++)
            values[i] *= affine.Factor[axis.ChannelOf(i)];
        for (var c = 0; c < bias.Length; c++)
            bias[c] = affine.Shift[c] + (affine.Factor[c] * beta * bias[c]);

        var old = WeightView.Find(graph, layer.Input(2));
        var foldedWeight = Tensor.FromReals(weight.Storage, weight.Tensor.ElementType, weight.Tensor.Shape, values);
        var foldedBias = Tensor.FromReals(old?.Storage ?? $"{layer.Name}.bias", (old ?? weight).Tensor.ElementType, [bias.Length], bias);
        if ((!foldedWeight.IsFinite() && weight.Tensor.IsFinite()) || !foldedBias.IsFinite())
            return false;
        Store(graph, layer, 1, weight, foldedWeight, weight.ReadAs);
        Store(graph, layer, 2, old, foldedBias, weight.ReadAs);
        if (layer.Is("Gemm"))
            layer.RemoveAttribute("beta");

        factors?.Add(layer.Name, affine.Factor);
        graph.RemoveValueInfo(layer.Output);
        var output = norm.Output;
        graph.Remove(norm);
        layer.SetOutput(0, output);
        return true;
    }

    /// <summary>Whether the node normalizes with statistics that it is given.</summary>
    internal static bool IsInference(Graph graph, Node norm) =>
        norm.Int("training_mode", 0) == 0 && norm.Int("spatial", 1) == 1 && norm.Inputs.Count == 5
        && norm.Outputs.Skip(1).All(o => o.Length == 0 || (graph.Uses(o).Count == 0 && !graph.IsOutput(o)));

    /// <summary>The layer's bias per channel, zeros where it has none; null where it is computed or not per channel.</summary>
    private static double[]? Bias(Graph graph, Node layer, int channels)
    {
        if (layer.Input(2) is not { } name)
            return new double[channels];
        if (WeightView.Find(graph, name) is not { } bias || !bias.Tensor.ElementType.IsReal())
            return null;
        var values = bias.Tensor.ReadDoubles();
        var isRow = bias.Tensor.Shape.Count == 0 || bias.Tensor.Shape[^1] == values.Length;
        return values.Length == channels && isRow ? values
            : values.Length == 1 && layer.Is("Gemm") ? [.. Enumerable.Repeat(values[0], channels)]
            : null;
    }

    /// <summary>Puts the tensor under the old name where the layer was its only reader, otherwise beside it under a new one.</summary>
    private static void Store(Graph graph, Node layer, int input, WeightView? old, Tensor tensor, ElementType readAs)
    {
        if (old is not null && IsOwn(graph, old))
            graph.ReplaceInitializer(old.Storage, tensor);
        else
            layer.SetInput(input, graph.AddConstant(tensor, readAs, before: layer));
    }

    /// <summary>Whether one layer alone reads the tensor, through Identity and Cast nodes perhaps.</summary>
    private static bool IsOwn(Graph graph, WeightView view) =>
        view.ConstantNode is null && graph.Uses(view.Storage).Count == 1 && view.Uses.Count == 1 && !view.IsExposed;

    /// <param name="Factor">f per channel.</param>
    /// <param name="Shift">β − f·μ per channel.</param>
    private sealed record Affine(double[] Factor, double[] Shift)
    {
        public static Affine? Of(Graph graph, Node norm, int channels)
        {
            var parameters = new double[4][];
            for (var i = 0; i < 4; i++)
            {
                if (WeightView.Find(graph, norm.Input(i + 1)) is not { } view || !view.Tensor.ElementType.IsReal() || view.Tensor.Count != channels)
                    return null;
                parameters[i] = view.Tensor.ReadDoubles();
            }
            var (gamma, beta, mean, variance) = (parameters[0], parameters[1], parameters[2], parameters[3]);
            var epsilon = norm.Float("epsilon", 1e-5f);
            var factor = new double[channels];
            var shift = new double[channels];
            for (var c = 0; c < channels; c++)
            {
                factor[c] = gamma[c] / Math.Sqrt(variance[c] + epsilon);
                shift[c] = beta[c] - (factor[c] * mean[c]);
            }
            return factor.Concat(shift).All(double.IsFinite) ? new Affine(factor, shift) : null;
        }
    }
}
