using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Partition;

/// <summary>Tells what each node is to us: a layer, a node with weights that we leave alone and why, or neither.</summary>
internal sealed class LayerFinder(OnnxModel model, InferredShapes shapes)
{
    /// <summary>More columns of one sample than memory holds; sizes that a file claims beyond it are taken for unknown.</summary>
    private const long MaxPositions = int.MaxValue;

    private const string NotAMatrix = "its weight is not a matrix";
    private const string Recurrent = "recurrent layers are not supported";
    private const string Quantized = "it computes on quantized numbers already";
    private const string QuantizedWeight = "its weight is quantized already";

    private readonly HashSet<string> _fed = FedValues(model.Graph);
    private readonly List<Layer> _layers = [];
    private readonly List<UnsupportedLayer> _unsupported = [];

    private Graph Graph => model.Graph;

    public (IReadOnlyList<Layer> Layers, IReadOnlyList<UnsupportedLayer> Unsupported) Find()
    {
        foreach (var node in Graph.Nodes)
        {
            if (node.Domain.Length > 0)
                Foreign(node);
            else
                Standard(node);
        }
        return (Shared(), _unsupported);
    }

    private void Standard(Node node)
    {
        switch (node.OpType)
        {
            case "Conv":
                Convolution(node);
                break;
            case "Gemm":
                Gemm(node);
                break;
            case "MatMul":
                MatMul(node);
                break;
            case "ConvTranspose" or "DeformConv":
                Leave(node, "transposed and deformable convolutions are not supported");
                break;
            case "LSTM" or "GRU" or "RNN":
                Leave(node, Recurrent);
                break;
            case "QLinearConv" or "QLinearMatMul" or "ConvInteger" or "MatMulInteger":
                Leave(node, Quantized);
                break;
            case "Einsum" when HasWeight(node):
                Leave(node, "Einsum with a constant operand is not supported");
                break;
            case "Gather" when HasWeight(node):
                Leave(node, "embedding tables are not supported");
                break;
            default:
                if (node.Subgraphs.Any(SubgraphWeights.Any))
                    Leave(node, $"layers inside the body of {node.OpType} are not supported");
                break;
        }
    }

    private void Foreign(Node node)
    {
        if (model.CallsFunction(node))
            Leave(node, "layers inside a function of the model are not supported");
        else if (node.Inputs.Any(i => WeightView.Find(Graph, i) is { Tensor: { Shape.Count: >= 2 } tensor } && tensor.ElementType != ElementType.Text))
            Leave(node, $"the operator {node.Domain}.{node.OpType} is not known");
    }

    private void Convolution(Node node)
    {
        if (Weight(node, 1) is not { } weight)
            return;
        var shape = weight.Tensor.Shape;
        var groups = node.Int("group", 1);
        if (shape.Count is < 3 or > 5)
            Leave(node, $"a convolution over {shape.Count - 2} axes is not supported");
        else if (groups < 1 || shape[0] % groups != 0)
            Leave(node, $"its {shape[0]} output channels do not divide into {groups} groups");
        else if (ConvolutionGeometry.Of(node, shape, shapes.Find(node.Inputs[0]), out var reason) is not { } geometry)
            Leave(node, reason);
        else
            Add(new Layer(Graph, node, LayerKind.Convolution, 1, weight, isTransposed: false) { Geometry = geometry });
    }

    private void Gemm(Node node)
    {
        if (WeightSide(node) is not { } side || Weight(node, side) is not { } weight)
            return;
        var (transA, transB, alpha) = (node.Int("transA", 0) != 0, node.Int("transB", 0) != 0, node.Float("alpha", 1));
        if (weight.Tensor.Shape.Count != 2)
            Leave(node, NotAMatrix);
        else if (alpha == 0 || !float.IsFinite(alpha))
            Leave(node, $"its alpha is {alpha}");
        else if (side == 1)
            Add(new Layer(Graph, node, transA ? LayerKind.FeaturesBeforeLast : LayerKind.FeaturesLast, 1, weight, isTransposed: !transB) { Alpha = alpha });
        else
            Add(new Layer(Graph, node, transB ? LayerKind.FeaturesLast : LayerKind.FeaturesBeforeLast, 0, weight, isTransposed: transA) { Alpha = alpha });
    }

    private void MatMul(Node node)
    {
        if (WeightSide(node) is not { } side || Weight(node, side) is not { } weight)
            return;
        var shape = weight.Tensor.Shape;
        if (shape.Count < 2 || shape.SkipLast(2).Any(d => d != 1))
            Leave(node, NotAMatrix);
        else
            Add(new Layer(Graph, node, side == 1 ? LayerKind.FeaturesLast : LayerKind.FeaturesBeforeLast, side, weight, isTransposed: side == 1));
    }

    /// <summary>Which input of a product is its weight; null where both are activations, or constants.</summary>
    private int? WeightSide(Node node)
    {
        var (left, right) = (WeightView.Find(Graph, node.Input(0)), WeightView.Find(Graph, node.Input(1)));
        if (left is null != right is null)
            return left is null ? 1 : 0;
        if (left is null && (IsDequantized(node.Input(0)) || IsDequantized(node.Input(1))))
            Leave(node, QuantizedWeight);
        return null;
    }

    /// <summary>Whether a value is a constant behind DequantizeLinear.</summary>
    private bool IsDequantized(string? value) =>
        value is not null && Graph.Producer(value) is { } node && node.Is("DequantizeLinear") && WeightView.Find(Graph, node.Input(0)) is not null;

    /// <summary>The weight, where it is one that we read; otherwise the node is left alone.</summary>
    private WeightView? Weight(Node node, int input)
    {
        if (WeightView.Find(Graph, node.Input(input)) is not { } weight)
        {
            var producer = node.Input(input) is { } name ? Graph.Producer(name) : null;
            Leave(node, producer?.OpType == "DequantizeLinear" ? QuantizedWeight : "its weight is computed, not constant");
            return null;
        }
        if (node.Input(0) is null || node.Input(1) is null)
        {
            Leave(node, "it lacks an input");
            return null;
        }
        if (!weight.Tensor.ElementType.IsReal())
        {
            Leave(node, $"its weight is of type {weight.Tensor.ElementType.OnnxName()}");
            return null;
        }
        if (weight.Tensor.Count == 0 || weight.Tensor.Count > int.MaxValue)
        {
            Leave(node, $"its weight has {weight.Tensor.Count} elements");
            return null;
        }
        return weight;
    }

    private bool HasWeight(Node node) =>
        node.Inputs.Any(i => WeightView.Find(Graph, i) is { Tensor: { Shape.Count: >= 2 } tensor } && tensor.ElementType.IsReal());

    private void Leave(Node node, string reason) => _unsupported.Add(new UnsupportedLayer(node, reason));

    private void Add(Layer layer)
    {
        if (!_fed.Contains(layer.Input))
        {
            Leave(layer.Node, "its input does not depend on the model's inputs");
            return;
        }
        layer.Positions = Positions(layer);
        _layers.Add(layer);
    }

    private long Positions(Layer layer)
    {
        if (shapes.Find(layer.Output) is not { } y)
            return -1;
        // The output's rows lie where the weight's do: last with the weight on the right, last but one on the left.
        var positions = layer.Kind == LayerKind.Convolution ? Product([y[0], .. y.Skip(2)])
            : layer.WeightInput == 1 || y.Count < 2 ? Product(y.Take(y.Count - 1))
            : Product(y.Take(y.Count - 2).Append(y[^1]));
        return positions < 0 ? -1 : Math.Max(1, positions / shapes.SamplesPerRun);
    }

    /// <summary>-1 where a dimension is open, or where the product is more than any run could hold.</summary>
    private static long Product(IEnumerable<long> dims) =>
        dims.Aggregate(1L, (a, d) => a < 0 || d < 0 || Math.BigMul(a, d) > MaxPositions ? -1 : a * d);

    /// <summary>The values that the graph's inputs reach.</summary>
    private static HashSet<string> FedValues(Graph graph)
    {
        var fed = new HashSet<string>(graph.Inputs.Select(i => i.Name), StringComparer.Ordinal);
        foreach (var node in graph.Nodes.Where(n => n.Inputs.Concat(n.Captured).Any(fed.Contains)))
            fed.UnionWith(node.Outputs);
        return fed;
    }

    /// <summary>Nodes that read one storage in one way become one layer, named after the first.</summary>
    private List<Layer> Shared()
    {
        var groups = _layers.GroupBy(l => (l.Weight.Storage, l.Weight.ReadAs, l.Kind, l.WeightInput, l.IsTransposed, l.Groups, l.Alpha)).ToList();
        var layers = new List<Layer>();
        foreach (var group in groups)
        {
            var first = group.First();
            first.SharedWith = [.. group.Skip(1).Select(l => l.Node)];
            if (first.SharedWith.Count > 0)
            {
                var positions = group.Sum(l => Math.Max(l.Positions, 0));
                first.Positions = positions > MaxPositions || group.Any(l => l.Positions < 0) ? -1 : positions;
            }
            layers.Add(first);
        }
        return layers;
    }
}
