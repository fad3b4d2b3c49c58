using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.TestKit.Interpreting;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>Without biases a ReLU would often get exactly 0 from codes of 0, where it bends. Convolution and ReLU6, a depthwise one and ReLU, one of 1 × 1 and the addition; all that leaves them but what is added has a grid of 3 bits.</summary>
internal sealed class ResidualBlock : IDisposable
{
    public const int Batch = 3;

    private const int Bits = 3;
    private const int Channels = 4;
    private const int Side = 5;

    private readonly Random _random;
    private readonly OnnxModel _model;
    private readonly GroupBoundary _boundary;
    private readonly ActivationGrid[] _grids;
    private readonly List<Matrix<float>> _weights;
    private readonly (string Layer, SoftRounding Rounding)[] _roundings;

    public ResidualBlock(int seed)
    {
        _random = new Random(seed);
        var b = new GraphBuilder(17);
        var x = b.Input("x", ElementType.Float32, -1, Channels, Side, Side);
        var first = b.Add("Clip", [Convolve(b, x, [Channels, Channels, 3, 3], 1), b.Scalar(0), b.Scalar(6)]);
        var second = b.Add("Relu", [Convolve(b, first, [Channels, 1, 3, 3], Channels)]);
        var sum = b.Add("Relu", [b.Binary("Add", Convolve(b, second, [Channels, Channels, 1, 1], 1), x)]);
        b.Output(Convolve(b, sum, [2, Channels, 1, 1], 1), "y", ElementType.Float32, [-1, 2, Side, Side]);
        _model = ModelPreparation.Prepare(b.Build(), BatchNormMode.Fold);
        var partition = ModelPartition.Of(_model);
        var layers = partition.Blocks.Single(block => block.IsResidual).Layers;
        _boundary = GroupBoundary.Of(_model, partition, [.. layers.Select(l => l.Name)]);
        _grids = [.. ActivationPlaces.Within(_model, partition, _boundary, new ActivationSpec(Bits, [])).Select((place, i) => new ActivationGrid(place.Value, place.Bits, 0.23f + 0.06f * i, i))];
        _weights = [.. layers.Select(l => Matrix<float>.FromRows(LayerMatrix.Read(l), l.Rows, l.Columns))];
        _roundings = [.. layers.Zip(_weights, (l, w) => (l.Name, new SoftRounding(w, GridFit.Rows(w, Bits, GridKind.Mse, QuantizationScheme.Asymmetric), keepsZeros: false)))];
    }

    public OnnxModel Model => _model;

    public GroupBoundary Boundary => _boundary;

    public IReadOnlyList<ActivationGrid> Grids => _grids;

    /// <summary>The group's layers, of as many bits as its activations have.</summary>
    public IReadOnlyList<LayerToRound> Layers =>
        [.. _roundings.Zip(_weights, (r, w) => new LayerToRound(r.Layer, [.. Enumerable.Range(0, w.Rows).SelectMany(row => w.Row(row).ToArray())], w.Rows, w.Columns, Bits, KeepsZeros: false))];

    public void Dispose() => _weights.ForEach(w => w.Dispose());

    public ReconstructionGraph Graph(StepShape shape, bool quantizes = true) => ReconstructionGraph.Build(_model, _boundary, _roundings, quantizes ? _grids : [], shape);

    /// <summary>The same for every graph of the block. Roundings are where they begin, moved a little, so that they don't cancel what they are made from.</summary>
    public Dictionary<string, DoubleTensor> Inputs(ReconstructionGraph graph)
    {
        var random = new Random(9);
        var inputs = new Dictionary<string, DoubleTensor>();
        foreach (var input in graph.Inputs)
            inputs[input.Name] = DoubleTensor.Build([Batch, .. input.Shape], _ => 2 * random.NextDouble() - 1);
        foreach (var (name, (_, rounding), weights) in graph.Rounded.Zip(_roundings, _weights))
            inputs[name] = new DoubleTensor([weights.Rows, weights.Columns], [.. rounding.Start().Select(v => v + random.NextDouble() - 0.5)]);
        foreach (var (name, grid) in graph.Scales.Zip(_grids))
            inputs[name] = DoubleTensor.Scalar(grid.Scale);
        foreach (var mask in graph.Masks)
            inputs[mask.Name] = DoubleTensor.Build([Batch, .. mask.Shape], _ => random.Next(2));
        foreach (var input in graph.Step.Model.Graph.Inputs.Where(i => !inputs.ContainsKey(i.Name)))
            inputs[input.Name] = input.Name == ReconstructionGraph.PenaltyWeight ? DoubleTensor.Scalar(0) : Blank(input);
        return inputs;
    }

    private static DoubleTensor Blank(GraphValue input) =>
        input.Name.EndsWith(".m", StringComparison.Ordinal) || input.Name.EndsWith(".v", StringComparison.Ordinal) ? DoubleTensor.Zeros([.. input.Shape!]) : DoubleTensor.Scalar(2);

    private string Convolve(GraphBuilder b, string x, long[] weight, int groups)
    {
        var (w, bias) = (Constant(weight), Constant(weight[0]));
        var pad = weight[2] / 2;
        return b.Add("Conv", [x, w, bias], NodeAttribute.Ints("pads", pad, pad, pad, pad), NodeAttribute.Int("group", groups), NodeAttribute.Ints("kernel_shape", weight[2], weight[3]));

        string Constant(params long[] shape) =>
            b.Constant(Tensor.FromFloats("w", shape, [.. Enumerable.Range(0, DoubleTensor.Count(shape)).Select(_ => (float)(2 * _random.NextDouble() - 1))]));
    }
}
