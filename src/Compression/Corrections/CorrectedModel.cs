using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Corrections;

/// <summary>Puts corrections into a model. Parameters that nodes share are given to each on its own.</summary>
public static class CorrectedModel
{
    /// <param name="model">Changed. Float or quantized; nodes keep the names that the sites have.</param>
    /// <param name="values">Content of the <c>corrections</c> blob.</param>
    /// <exception cref="ArgumentException">The values are not two for each channel.</exception>
    public static void Apply(OnnxModel model, AppliedCorrection correction, ReadOnlySpan<double> values)
    {
        if (values.Length != correction.Sites.Sum(site => 2 * site.Channels))
            throw new ArgumentException($"{values.Length} values do not fit {correction.Sites.Count} sites.", nameof(values));
        foreach (var site in correction.Sites)
        {
            var node = model.Graph.FindNode(site.Node) ?? throw new InvalidOperationException($"The model has no node '{site.Node}'.");
            var first = values[..site.Channels].ToArray();
            var second = values.Slice(site.Channels, site.Channels).ToArray();
            values = values[(2 * site.Channels)..];
            switch (correction.Kind)
            {
                case Correction.BatchNorm:
                    SetParameter(model.Graph, node, 3, "running_mean", first);
                    SetParameter(model.Graph, node, 4, "running_var", second);
                    break;
                case Correction.MeanVariance:
                    Stretch(model.Graph, node, first, second);
                    break;
                default:
                    AddBias(model.Graph, node, site, first);
                    break;
            }
        }

        model.Graph.Sort();
    }

    /// <summary>γ′ = f·γ, β′ = f·β + s.</summary>
    private static void Stretch(Graph graph, Node norm, double[] factors, double[] shifts)
    {
        var scale = WeightView.Find(graph, norm.Input(1))!.Tensor.ReadDoubles();
        var shift = WeightView.Find(graph, norm.Input(2))?.Tensor.ReadDoubles() ?? new double[scale.Length];
        SetParameter(graph, norm, 2, "shift", [.. shift.Select((value, c) => (factors[c] * value) + shifts[c])]);
        SetParameter(graph, norm, 1, "scale", [.. scale.Select((value, c) => factors[c] * value)]);
    }

    private static void SetParameter(Graph graph, Node norm, int input, string name, double[] values)
    {
        var type = (WeightView.Find(graph, norm.Input(input)) ?? WeightView.Find(graph, norm.Input(1)))!.Tensor.ElementType;
        SetInput(graph, norm, input, name, type, values);
    }

    private static void AddBias(Graph graph, Node node, SiteRef site, double[] biases)
    {
        if (node.Is("MatMul"))
        {
            if (site.Axis == ChannelAxis.Last && AddBehind(graph, node, site.Channels) is var (add, input, old))
                SetInput(graph, add, input, "bias", old.ElementType, Sum(old.ReadDoubles(), 1, biases));
            else
                InsertAdd(graph, node, site, biases);
            return;
        }

        var beta = node.Is("Gemm") ? node.Float("beta", 1) : 1;
        var existing = WeightView.Find(graph, node.Input(2))?.Tensor;
        if (node.Input(2) is not null && (existing is null || !existing.ElementType.IsReal() || !IsRow(existing, site.Channels)))
        {
            InsertAdd(graph, node, site, biases);
            return;
        }

        SetInput(graph, node, 2, "bias", existing?.ElementType ?? OutputType(graph, node), existing is null ? biases : Sum(existing.ReadDoubles(), beta, biases));
        node.RemoveAttribute("beta");
    }

    private static bool IsRow(Tensor tensor, int channels) => tensor.Count == channels && (tensor.Shape.Count == 0 || tensor.Shape[^1] == channels);

    private static double[] Sum(double[] old, double beta, double[] biases) => [.. old.Select((value, c) => (beta * value) + biases[c])];

    /// <summary>The addition of a constant per channel that alone reads the node's output: a bias as exporters write it.</summary>
    private static (Node Add, int Input, Tensor Constant)? AddBehind(Graph graph, Node node, int channels)
    {
        if (graph.IsOutput(node.Output) || graph.Uses(node.Output) is not [{ InputIndex: >= 0 } use] || !use.Node.Is("Add"))
            return null;
        var other = 1 - use.InputIndex;
        return WeightView.Find(graph, use.Node.Input(other)) is { } view && view.Tensor.ElementType.IsReal() && IsRow(view.Tensor, channels)
            ? (use.Node, other, view.Tensor)
            : null;
    }

    private static void InsertAdd(Graph graph, Node node, SiteRef site, double[] biases)
    {
        var output = node.Output;
        var plain = graph.UniqueName($"{output}_plain");
        long[] shape = site.Axis switch
        {
            ChannelAxis.Last => [site.Channels],
            ChannelAxis.LastButOne => [site.Channels, 1],
            _ => [site.Channels, .. Enumerable.Repeat(1L, WeightShape(graph, node).Count - 2)],
        };
        var type = OutputType(graph, node);
        var bias = graph.AddInitializer(Tensor.FromReals(graph.UniqueName($"{node.Name}.bias"), type, shape, biases));
        node.SetOutput(0, plain);
        graph.Add(new Node("Add", graph.UniqueName($"{node.Name}/bias"), [plain, bias.Name], [output]));
    }

    private static void SetInput(Graph graph, Node node, int input, string name, ElementType type, double[] values)
    {
        var tensor = Tensor.FromReals(graph.UniqueName($"{node.Name}.{name}"), type, [values.Length], values);
        graph.AddInitializer(tensor);
        node.SetInput(input, tensor.Name);
    }

    private static IReadOnlyList<long> WeightShape(Graph graph, Node node) =>
        (WeightView.Find(graph, node.Input(1)) ?? Quantized(graph, node.Input(1)))!.Tensor.Shape;

    /// <summary>The stored codes behind a weight that is dequantized.</summary>
    private static WeightView? Quantized(Graph graph, string? value)
    {
        while (value is not null && graph.Producer(value) is { } node && (node.Is("Cast") || node.Is("DequantizeLinear")))
            value = node.Input(0);
        return WeightView.Find(graph, value);
    }

    private static ElementType OutputType(Graph graph, Node node)
    {
        foreach (var input in node.Inputs.Take(2))
        {
            if (WeightView.Find(graph, input) is { } weight)
                return weight.Tensor.ElementType;
            if (graph.Producer(input) is { } producer && producer.Is("DequantizeLinear") && WeightView.Find(graph, producer.Input(1)) is { } scale && Quantized(graph, input) is not null)
                return scale.Tensor.ElementType;
            if (graph.Producer(input) is { } cast && cast.Is("Cast") && Quantized(graph, input) is not null)
                return (ElementType)cast.Int("to", (long)ElementType.Float32);
        }

        return ElementType.Float32;
    }
}
