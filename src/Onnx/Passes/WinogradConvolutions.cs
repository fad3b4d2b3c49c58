using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Writes convolutions of 3×3 at stride 1 as Winograd's minimal filtering F(4×4, 3×3): matrix products, a quarter of the multiplications. Their gradients are
/// products again, and the transformed input and the transformed gradient serve two of the three. Between such convolutions values lie as [height, width,
/// samples, channels], in which every transformation is one product from the left; what works element by element does so in that layout. Convolutions with
/// strides read it, too: their windows side by side times the kernel are one product over all samples.
/// </summary>
/// <remarks>For graphs of fixed shapes whose weights may be computed, as training steps are. Results differ from the convolution's by rounding.</remarks>
public sealed class WinogradConvolutions : IPass
{
    /// <summary>By their numbers of operations. A convolution's weight gradient copies every input nine times, which is what more operations may cost here.</summary>
    private const double MostOperations = 1.3;

    /// <summary>Windows of fewer channels are copied in pieces too short.</summary>
    private const long FewestChannels = 16;

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

    private sealed class Rewrite
    {
        private readonly OnnxModel _model;
        private readonly GraphBuilder _builder;
        private readonly InferredShapes _shapes;
        private readonly TurnedValues _values;
        private readonly Dictionary<WinogradTiles, (string Input, string Output)> _matrices = [];
        private string? _kernel;

        public Rewrite(OnnxModel model)
        {
            (_model, _builder, _shapes) = (model, GraphBuilder.Edit(model), InferredShapes.Of(model));
            _values = new TurnedValues(model, _builder, _shapes, 2);
        }

        public bool IsChanged => !_values.IsEmpty;

        public void Visit(Node node)
        {
            if (node.Is("Conv") && Tiles(node) is var (height, width))
                Convolve(node, height, width);
            else if (node.Is("Conv") && Strides(node) is { } geometry)
                Multiply(node, new ConvolutionWindows(_builder, geometry, _shapes.Find(node.Inputs[0])!));
            else
                _values.Follow(node);
        }

        public void TurnBack() => _values.TurnBack();

        private (WinogradTiles Height, WinogradTiles Width)? Tiles(Node node)
        {
            if (_shapes.Find(node.Inputs[0]) is not { Count: 4 } x || _shapes.Find(node.Inputs[1]) is not { Count: 4 } w || x.Concat(w).Any(d => d < 1)
                || node.Int("group", 1) != 1 || w[2] != WinogradTiles.Taps || w[3] != WinogradTiles.Taps
                || ConvolutionGeometry.Of(node, w, x, out _) is not { } g || g.Strides.Concat(g.Dilations).Any(s => s != 1))
                return null;
            var (height, width) = (new WinogradTiles(x[2], g.PadsBefore[0], g.OutputSize(0, x[2])), new WinogradTiles(x[3], g.PadsBefore[1], g.OutputSize(1, x[3])));
            return Pays(height, width, w[1], w[0]) ? (height, width) : null;
        }

        private ConvolutionGeometry? Strides(Node node)
        {
            if (_shapes.Find(node.Inputs[0]) is not { Count: 4 } x || _shapes.Find(node.Inputs[1]) is not { Count: 4 } w || x.Concat(w).Any(d => d < 1)
                || node.Int("group", 1) != 1 || w[1] < FewestChannels || ConvolutionGeometry.Of(node, w, x, out _) is not { } g)
                return null;
            return g.Strides.Any(s => s > 1) && g.OutputSize(0, x[2]) > 0 && g.OutputSize(1, x[3]) > 0 ? g : null;
        }

        private void Multiply(Node node, ConvolutionWindows windows)
        {
            var (b, w) = (_builder, _shapes.Find(node.Inputs[1])!);
            var columns = b.Reshape(windows.SideBySide(_values.Of(node.Inputs[0])), -1, w[1] * w[2] * w[3]);
            var product = b.Gemm(columns, b.Reshape(Turned(node.Inputs[1], w), -1, w[0]), node.Input(2));
            _model.Graph.Remove(node);
            _values.Place(node.Output, b.Reshape(product, windows.Height, windows.Width, _shapes.Find(node.Inputs[0])![0], w[0]));
        }

        private void Convolve(Node node, WinogradTiles height, WinogradTiles width)
        {
            var b = _builder;
            var (samples, w) = (_shapes.Find(node.Inputs[0])![0], _shapes.Find(node.Inputs[1])!);
            var (inputs, outputs) = (w[1], w[0]);
            var kernel = b.MatMul(_kernel ??= b.Constant(WinogradTiles.Kernel()), Turned(node.Inputs[1], w));
            var rows = b.MatMul(Matrices(height).Input, b.Reshape(_values.Of(node.Inputs[0]), height.Size, -1));
            var tiles = b.MatMul(Matrices(width).Input, b.Reshape(rows, height.Width, width.Size, -1));
            // The samples' rows of a row of tiles in one product: the points are the batch, the kernel is the same for all tiles.
            var product = b.MatMul(
                b.Reshape(tiles, WinogradTiles.Points, height.Tiles, WinogradTiles.Points, width.Tiles * samples, inputs),
                b.Reshape(kernel, WinogradTiles.Points, 1, WinogradTiles.Points, inputs, outputs));
            var columns = b.MatMul(Matrices(width).Output, b.Reshape(product, height.Width, width.Width, -1));
            var result = b.Reshape(b.MatMul(Matrices(height).Output, b.Reshape(columns, height.Width, -1)), height.Outputs, width.Outputs, samples, outputs);
            _model.Graph.Remove(node);
            _values.Place(node.Output, node.Input(2) is { } bias ? b.Binary("Add", result, bias) : result);
        }

        /// <summary>A weight as [positions, inputs · outputs]: two moves of one axis are several times faster than one of three.</summary>
        private string Turned(string weight, IReadOnlyList<long> w)
        {
            var positions = _builder.Transpose(_builder.Reshape(weight, w[0] * w[1], -1), 1, 0);
            var kept = _builder.Add("Flatten", [positions], NodeAttribute.Int("axis", 1));
            return _builder.Reshape(_builder.Transpose(_builder.Reshape(kept, -1, w[0], w[1]), 0, 2, 1), -1, w[1] * w[0]);
        }

        private (string Input, string Output) Matrices(WinogradTiles tiles) =>
            _matrices.TryGetValue(tiles, out var found) ? found : _matrices[tiles] = (_builder.Constant(tiles.Input()), _builder.Constant(tiles.Output()));
    }
}
