using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Shapes;

namespace Orchestrator.Onnx.Passes;

/// <summary>
/// Writes depthwise convolutions as products with banded matrices, and the pointwise ones around them as one product over all samples. A runtime that has no
/// loops of its own for a depthwise convolution whose weights are computed spends its time on copying windows; products of which a part is zeros are faster.
/// Between them values lie as [channels, height, width, samples].
/// </summary>
/// <remarks>For graphs of fixed shapes whose weights may be computed, as training steps are. Results differ from the convolution's by rounding.</remarks>
public sealed class BandedConvolutions : IPass
{
    /// <summary>Rows of an input up to which bands were measured to take less time than windows.</summary>
    private const long MostRows = 96;

    /// <summary>Positions of a kernel: the constants that make bands of it grow with them.</summary>
    private const long MostTaps = 64;

    /// <summary>Elements of an image up to which one product over all of them takes less time than products over its rows.</summary>
    private const long MostElements = 64;

    /// <summary>Rows of an output up to which they stay together; more of them are taken apart, since copies of the parts cost less than a band that is mostly zeros.</summary>
    private const long MostRowsTogether = 16;

    private const long MostRowsOfPart = 8;

    public string Name => "banded-convolutions";

    public PassEffect Effect => PassEffect.Nodes | PassEffect.Constants;

    public bool Run(OnnxModel model)
    {
        model.Graph.Sort();
        var rewrite = new Rewrite(model);
        foreach (var node in model.Graph.Nodes.Reverse().ToList())
            rewrite.Look(node);
        foreach (var node in model.Graph.Nodes.ToList())
            rewrite.Visit(node);
        rewrite.TurnBack();
        model.Graph.Sort();
        return rewrite.IsChanged;
    }

    private sealed class Rewrite
    {
        private readonly OnnxModel _model;
        private readonly GraphBuilder _builder;
        private readonly InferredShapes _shapes;
        private readonly TurnedValues _values;
        private readonly HashSet<string> _leading = new(StringComparer.Ordinal);

        public Rewrite(OnnxModel model)
        {
            (_model, _builder, _shapes) = (model, GraphBuilder.Edit(model), InferredShapes.Of(model));
            _values = new TurnedValues(model, _builder, _shapes, 1);
        }

        public bool IsChanged => !_values.IsEmpty;

        /// <summary>Backwards: which values come to a depthwise convolution, element by element.</summary>
        public void Look(Node node)
        {
            if (Geometry(node) is { } geometry && IsDepthwise(node, geometry))
                _leading.Add(node.Inputs[0]);
            else if (TurnedValues.IsElementwise(node) && _leading.Contains(node.Output))
                _leading.UnionWith(node.Inputs.Where(i => i.Length > 0));
        }

        public void Visit(Node node)
        {
            if (Geometry(node) is not { } geometry)
                _values.Follow(node);
            else if (IsDepthwise(node, geometry))
                Depthwise(node, geometry);
            else if (geometry.IsPointwise && node.Int("group", 1) == 1 && (_values.Has(node.Inputs[0]) || _leading.Contains(node.Output)))
                Pointwise(node);
        }

        public void TurnBack() => _values.TurnBack();

        private ConvolutionGeometry? Geometry(Node node) =>
            node.Is("Conv") && _shapes.Find(node.Inputs[0]) is { Count: 4 } x && _shapes.Find(node.Inputs[1]) is { Count: 4 } w && x.Concat(w).All(d => d > 0)
                ? ConvolutionGeometry.Of(node, w, x, out _)
                : null;

        private bool IsDepthwise(Node node, ConvolutionGeometry geometry)
        {
            var (x, w) = (_shapes.Find(node.Inputs[0])!, _shapes.Find(node.Inputs[1])!);
            return x[1] > 1 && w[1] == 1 && node.Int("group", 1) == x[1] && w[0] % x[1] == 0 && !geometry.IsPointwise && w[2] * w[3] <= MostTaps
                && x[2] <= MostRows && geometry.OutputSize(0, x[2]) is > 0 and <= MostRows && geometry.OutputSize(1, x[3]) > 0;
        }

        private void Pointwise(Node node)
        {
            var (x, w) = (_shapes.Find(node.Inputs[0])!, _shapes.Find(node.Inputs[1])!);
            var bias = node.Input(2) is { } given ? _builder.Reshape(given, w[0], 1) : null;
            var product = _builder.Gemm(_builder.Reshape(node.Inputs[1], w[0], w[1]), _builder.Reshape(_values.Of(node.Inputs[0]), w[1], -1), bias);
            Replace(node, _builder.Reshape(product, w[0], x[2], x[3], x[0]));
        }

        private void Depthwise(Node node, ConvolutionGeometry geometry)
        {
            var (x, outputs) = (_shapes.Find(node.Inputs[0])!, _shapes.Find(node.Inputs[1])![0]);
            var band = new ConvolutionBand(geometry, x[2], x[3]);
            var value = _values.Of(node.Inputs[0]);
            if (Math.Max(x[2] * x[3], band.Height * band.Width) <= MostElements)
            {
                var kernel = _builder.MatMul(_builder.Reshape(node.Inputs[1], outputs, -1), _builder.Constant(band.Whole()));
                var product = _builder.MatMul(_builder.Reshape(kernel, x[1], -1, x[2] * x[3]), _builder.Reshape(value, x[1], x[2] * x[3], x[0]));
                var result = _builder.Reshape(product, outputs, band.Height, band.Width, x[0]);
                Replace(node, node.Input(2) is { } bias ? _builder.Binary("Add", result, _values.PerChannel(bias, outputs)) : result);
                return;
            }
            var parts = band.Height <= MostRowsTogether ? 1 : (band.Height + MostRowsOfPart - 1) / MostRowsOfPart;
            (long First, long End)[] rows = [.. Enumerable.Range(0, (int)parts).Select(i => (i * band.Height / parts, (i + 1) * band.Height / parts))];
            var seen = Overlapping(value, x[2], [.. rows.Select(band.Seen)]);
            string[] results = [.. rows.Select((r, i) => OfRows(node, seen[i], geometry, band, r))];
            Replace(node, parts == 1 ? results[0] : _builder.Concat(1, results));
        }

        /// <summary>
        /// Some ranges of rows, put together from pieces that do not overlap: their gradients are added where ranges do, and come back in one copy.
        /// </summary>
        private string[] Overlapping(string value, long height, (long First, long End)[] ranges)
        {
            if (ranges.All(r => r == (0, height)))
                return [.. ranges.Select(_ => value)];
            long[] ends = [.. ranges.SelectMany(r => new[] { r.First, r.End }).Append(height).Where(e => e > 0).Distinct().Order()];
            long[] sizes = [.. ends.Select((end, i) => end - (i == 0 ? 0 : ends[i - 1]))];
            var pieces = _builder.AddMany("Split", [value, _builder.Vector(sizes)], sizes.Length, NodeAttribute.Int("axis", 1));
            return [.. ranges.Select(r => pieces.Where((_, i) => ends[i] > r.First && ends[i] <= r.End).ToList()).Select(own => own.Count == 1 ? own[0] : _builder.Concat(1, own))];
        }

        /// <summary>
        /// Rows as channels: what is left is a convolution along the width, with the samples beside it. Without a stride it is one of a single axis, whose neighbours
        /// are a whole minibatch apart.
        /// </summary>
        private string OfRows(Node node, string seen, ConvolutionGeometry g, ConvolutionBand band, (long First, long End) rows)
        {
            var (x, outputs, count) = (_shapes.Find(node.Inputs[0])!, _shapes.Find(node.Inputs[1])![0], rows.End - rows.First);
            var (first, end) = band.Seen(rows);
            var kernel = _builder.MatMul(_builder.Reshape(node.Inputs[1], outputs, -1), _builder.Constant(band.Rows(rows)));
            var isFlat = g.Strides[1] == 1;
            var apart = isFlat ? x[0] : 1;
            long[] Axes(long width, long samples) => isFlat ? [width * samples] : [width, samples];
            long[] With(long along, long other) => isFlat ? [along] : [along, other];
            string[] inputs =
            [
                _builder.Reshape(seen, [1, x[1] * (end - first), .. Axes(x[3], x[0])]),
                _builder.Reshape(kernel, [outputs * count, end - first, .. With(g.Kernel[1], 1)]),
            ];
            if (node.Input(2) is { } bias)
                inputs = [.. inputs, _builder.Reshape(_builder.Add("Expand", [_builder.Reshape(bias, outputs, 1), _builder.Vector(outputs, count)]), outputs * count)];
            var made = _builder.Add(
                "Conv",
                inputs,
                NodeAttribute.Ints("kernel_shape", With(g.Kernel[1], 1)),
                NodeAttribute.Ints("strides", With(g.Strides[1], 1)),
                NodeAttribute.Ints("dilations", With(g.Dilations[1] * apart, 1)),
                NodeAttribute.Ints("pads", [.. With(g.PadsBefore[1] * apart, 0), .. With(g.PadsAfter[1] * apart, 0)]),
                NodeAttribute.Int("group", x[1]));
            return _builder.Reshape(made, outputs, count, band.Width, x[0]);
        }

        private void Replace(Node node, string turned)
        {
            _model.Graph.Remove(node);
            _values.Place(node.Output, turned);
        }
    }
}
