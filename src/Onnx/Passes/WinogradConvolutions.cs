using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Writes convolutions of 3×3 at stride 1 as Winograd's minimal filtering F(4×4, 3×3): matrix products, a quarter of the multiplications. Their gradients are
/// products again, and the transformed input and the transformed gradient serve two of the three. Between such convolutions values lie as [height, width,
/// samples, channels], in which every transformation is one product from the left; what works element by element does so in that layout.
/// </summary>
/// <remarks>For graphs of fixed shapes whose weights may be computed, as training steps are. Results differ from the convolution's by rounding.</remarks>
public sealed class WinogradConvolutions : IPass
{
    /// <summary>By their numbers of operations. A convolution's weight gradient copies every input nine times, which is what more operations may cost here.</summary>
    private const double MostOperations = 1.3;

    private static readonly HashSet<string> s_elementwise =
    [
        "Abs", "Add", "Ceil", "Clip", "Div", "Erf", "Exp", "Floor", "Gelu", "HardSigmoid", "HardSwish", "Identity", "LeakyRelu", "Log", "Max", "Min", "Mul", "Neg",
        "Pow", "Reciprocal", "Relu", "Round", "Sigmoid", "Sqrt", "Sub", "Sum", "Tanh",
    ];

    public string Name => "winograd-convolutions";

    public PassEffect Effect => PassEffect.Nodes | PassEffect.Constants;

    public bool Run(OnnxModel model)
    {
        model.Graph.Sort();
        var rewrite = new Rewrite(model);
        foreach (var node in model.Graph.Nodes.ToList())
            rewrite.Visit(node);
        rewrite.TurnBack();
        model.Graph.Sort();
        return rewrite.IsChanged;
    }

    private static bool Pays(WinogradTiles height, WinogradTiles width, long inputs, long outputs)
    {
        var direct = 2.0 * WinogradTiles.Taps * WinogradTiles.Taps * inputs * outputs * height.Outputs * width.Outputs;
        var products = 2.0 * height.Width * width.Width * inputs * outputs;
        var transformed = 2.0 * height.Width * inputs * ((double)height.Size * width.Size + width.Width * width.Size);
        var back = 2.0 * height.Width * outputs * ((double)width.Outputs * width.Width + height.Outputs * width.Outputs);
        return products + transformed + back <= MostOperations * direct;
    }

    private sealed class Rewrite(OnnxModel model)
    {
        private readonly GraphBuilder _builder = GraphBuilder.Edit(model);
        private readonly InferredShapes _shapes = InferredShapes.Of(model);
        private readonly Dictionary<string, string> _turned = new(StringComparer.Ordinal);
        private readonly HashSet<string> _computed = new(StringComparer.Ordinal);
        private readonly Dictionary<WinogradTiles, (string Input, string Output)> _matrices = [];
        private string? _kernel;

        public bool IsChanged { get; private set; }

        public void Visit(Node node)
        {
            if (node.Is("Conv") && Tiles(node) is var (height, width))
                Convolve(node, height, width);
            else if (node.Domain.Length == 0 && node.Outputs.Count == 1 && node.Inputs.Any(_computed.Contains))
            {
                if (s_elementwise.Contains(node.OpType) && node.Inputs.All(i => CanTurn(i, node.Output)))
                    Elementwise(node);
                else if (node.OpType.StartsWith("Reduce", StringComparison.Ordinal) && _computed.Contains(node.Inputs[0]) && _shapes.Find(node.Output) is { Count: 0 })
                    node.SetInput(0, _turned[node.Inputs[0]]);
            }
        }

        /// <summary>What is read in the graph's own layout comes back into it.</summary>
        public void TurnBack()
        {
            foreach (var value in _computed.Where(v => model.Graph.Uses(v).Count > 0 || model.Graph.IsOutput(v)))
            {
                var shape = _shapes.Find(value)!;
                var matrix = Swap(_turned[value], shape[2] * shape[3]);
                model.Graph.Add(new Node("Reshape", value, [matrix, _builder.Vector([.. shape])], [value]));
            }
        }

        private (WinogradTiles Height, WinogradTiles Width)? Tiles(Node node)
        {
            if (_shapes.Find(node.Inputs[0]) is not { Count: 4 } x || _shapes.Find(node.Inputs[1]) is not { Count: 4 } w || x.Concat(w).Any(d => d < 1)
                || node.Int("group", 1) != 1 || w[2] != WinogradTiles.Taps || w[3] != WinogradTiles.Taps
                || ConvolutionGeometry.Of(node, w, x, out _) is not { } g || g.Strides.Concat(g.Dilations).Any(s => s != 1))
                return null;
            var (height, width) = (new WinogradTiles(x[2], g.PadsBefore[0], g.OutputSize(0, x[2])), new WinogradTiles(x[3], g.PadsBefore[1], g.OutputSize(1, x[3])));
            return Pays(height, width, w[1], w[0]) ? (height, width) : null;
        }

        private void Convolve(Node node, WinogradTiles height, WinogradTiles width)
        {
            var b = _builder;
            var (samples, w) = (_shapes.Find(node.Inputs[0])![0], _shapes.Find(node.Inputs[1])!);
            var (inputs, outputs) = (w[1], w[0]);
            var kernel = b.MatMul(_kernel ??= b.Constant(WinogradTiles.Kernel()), b.Reshape(b.Transpose(node.Inputs[1], 2, 3, 1, 0), -1, inputs * outputs));
            var rows = b.MatMul(Matrices(height).Input, b.Reshape(Turned(node.Inputs[0]), height.Size, -1));
            var tiles = b.MatMul(Matrices(width).Input, b.Reshape(rows, height.Width, width.Size, -1));
            // The samples' rows of a row of tiles in one product: the points are the batch, the kernel is the same for all tiles.
            var product = b.MatMul(
                b.Reshape(tiles, WinogradTiles.Points, height.Tiles, WinogradTiles.Points, width.Tiles * samples, inputs),
                b.Reshape(kernel, WinogradTiles.Points, 1, WinogradTiles.Points, inputs, outputs));
            var columns = b.MatMul(Matrices(width).Output, b.Reshape(product, height.Width, width.Width, -1));
            var result = b.Reshape(b.MatMul(Matrices(height).Output, b.Reshape(columns, height.Width, -1)), height.Outputs, width.Outputs, samples, outputs);
            model.Graph.Remove(node);
            Place(node.Output, node.Input(2) is { } bias ? b.Binary("Add", result, bias) : result);
        }

        private (string Input, string Output) Matrices(WinogradTiles tiles) =>
            _matrices.TryGetValue(tiles, out var found) ? found : _matrices[tiles] = (_builder.Constant(tiles.Input()), _builder.Constant(tiles.Output()));

        /// <summary>Whether an elementwise node may read the value turned: it is of the output's shape, or of one element, or has one for each channel.</summary>
        private bool CanTurn(string value, string output)
        {
            if (value.Length == 0 || _computed.Contains(value))
                return true;
            return _shapes.Find(value) is { } shape && _shapes.Find(output) is { Count: 4 } whole
                && (shape.All(d => d == 1) || shape.SequenceEqual(whole) || IsPerChannel(shape, whole[1]));
        }

        private static bool IsPerChannel(IReadOnlyList<long> shape, long channels) =>
            shape.Count is 3 or 4 && shape[^3] == channels && shape.Where((_, axis) => axis != shape.Count - 3).All(d => d == 1);

        private void Elementwise(Node node)
        {
            for (var i = 0; i < node.Inputs.Count; i++)
                if (node.Inputs[i].Length > 0)
                    node.SetInput(i, Turned(node.Inputs[i]));
            var value = node.Output;
            var turned = model.Graph.UniqueName($"{value}/turned");
            node.SetOutput(0, turned);
            Place(value, turned);
        }

        /// <summary>The value as it is read where samples and channels come last.</summary>
        private string Turned(string value)
        {
            if (_turned.TryGetValue(value, out var turned))
                return turned;
            var shape = _shapes.Find(value)!;
            return _turned[value] = shape.Count == 0 ? value
                : shape.Count == 4 && !IsPerChannel(shape, shape[1]) ? Turn(value, shape)
                : _builder.Reshape(value, shape.Max());
        }

        private string Turn(string value, IReadOnlyList<long> shape)
        {
            return _builder.Reshape(Swap(value, shape[0] * shape[1]), shape[2], shape[3], shape[0], shape[1]);
        }

        /// <summary>
        /// Transposes as a matrix, since runtimes are several times faster at moving one axis than two. Without the Flatten, which changes nothing,
        /// ONNX Runtime would move the transposition through the reshapes beside it and so make it one of two axes again.
        /// </summary>
        private string Swap(string value, long rows) => Flat(_builder.Transpose(Flat(_builder.Reshape(value, rows, -1)), 1, 0));

        private string Flat(string matrix) => _builder.Add("Flatten", [matrix], NodeAttribute.Int("axis", 1));

        private void Place(string value, string turned)
        {
            _turned[value] = turned;
            _computed.Add(value);
            IsChanged = true;
        }
    }
}
