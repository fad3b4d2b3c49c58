using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Tests.Reconstruction;

/// <summary>Groups of the sample network: where they begin and end, what is captured there, and their loss, against the whole network's values in double.</summary>
public sealed class GroupTests : IDisposable
{
    // Squares of float32 activations, whose convolutions may be summed in another order in the part than in the whole.
    private const double RelativeTolerance = 1e-4;

    // Loss of what is equal but for that order, relative to the mean square of the output.
    private const double NothingTolerance = 1e-9;

    private const int Samples = 12;

    // Leaves a rest.
    private const int Batch = 5;

    private readonly string _path = Path.GetTempFileName();
    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);
    private readonly OnnxModel _model = ModelPreparation.Prepare(FashionSample.Model(), BatchNormMode.Fold);
    private readonly ModelPartition _partition;

    public GroupTests() => _partition = ModelPartition.Of(_model);

    private ModelRuntime Runtime => new(_environment);

    public void Dispose()
    {
        _environment.Dispose();
        File.Delete(_path);
    }

    [Fact]
    public void A_residual_unit_ends_behind_the_activation_that_follows_its_addition()
    {
        foreach (var block in _partition.Blocks.Where(b => b.IsResidual))
        {
            var boundary = Boundary(block);
            Assert.Equal([block.Input], boundary.Inputs);
            Assert.Equal("Relu", _model.Graph.Producer(boundary.Output)!.OpType);
            Assert.Equal(block.Output, _model.Graph.Producer(boundary.Output)!.Inputs[0]);
            Assert.Equal(1, boundary.ChannelAxis);
        }
    }

    [Fact]
    public void A_layer_ends_behind_its_activation_where_nothing_else_reads_it()
    {
        foreach (var layer in _partition.Layers)
        {
            var boundary = GroupBoundary.Of(_model, _partition, [layer.Name]);
            Assert.Equal([layer.Input], boundary.Inputs);
            var follows = _model.Graph.Uses(layer.Output) is [{ Node: { OpType: "Relu" } relu }] ? relu.Output : layer.Output;
            Assert.Equal(follows, boundary.Output);
        }

        Assert.Contains(_partition.Layers, layer => GroupBoundary.Of(_model, _partition, [layer.Name]).Output == layer.Output);
        Assert.Contains(_partition.Layers, layer => GroupBoundary.Of(_model, _partition, [layer.Name]).Output != layer.Output);
        Assert.Throws<InvalidOperationException>(() => GroupBoundary.Of(_model, _partition, ["none"]));
    }

    [Fact]
    public void The_whole_network_goes_from_its_input_to_its_logits()
    {
        var boundary = GroupBoundary.Of(_model, _partition, [.. _partition.Layers.Select(l => l.Name)]);
        Assert.Equal([_model.Graph.Inputs[0].Name], boundary.Inputs);
        Assert.Equal(_model.Graph.Outputs[0].Name, boundary.Output);
    }

    [Fact]
    public async Task Without_quantization_no_group_loses_anything()
    {
        foreach (var block in _partition.Blocks)
        {
            var boundary = Boundary(block);
            using var shard = await CaptureAsync(_model, boundary);
            var loss = Loss(_model, boundary, shard);
            Assert.InRange(loss, 0, NothingTolerance * MeanSquare(Values(_model, boundary.Output)));
        }
    }

    [Fact]
    public async Task The_loss_of_nearest_codes_is_that_of_the_whole_network_in_double()
    {
        foreach (var block in _partition.Blocks)
        {
            var boundary = Boundary(block);
            var quantized = Quantized(block.Layers);
            using var shard = await CaptureAsync(_model, boundary);
            var (wanted, given) = (Values(_model, boundary.Output), Values(quantized, boundary.Output));
            var sum = wanted.Zip(given, (a, b) => ((double)a - b) * ((double)a - b)).Sum();
            var shape = _partition.Shapes.Find(boundary.Output)!;
            var expected = sum / Samples / shape.Skip(2).Aggregate(1L, (a, d) => a * d);

            Assert.True(expected > 0);
            Assert.InRange(Loss(quantized, boundary, shard), expected * (1 - RelativeTolerance), expected * (1 + RelativeTolerance));
        }
    }

    [Fact]
    public async Task What_enters_comes_from_the_quantized_prefix_and_what_leaves_from_the_float_model()
    {
        var (prefix, block) = (Quantized(_partition.Blocks[0].Layers), _partition.Blocks[1]);
        var boundary = Boundary(block);
        using var shard = await CaptureAsync(prefix, boundary);

        Assert.Equal(Samples, shard.Samples);
        Assert.Equal(Values(prefix, boundary.Inputs[0]), Read(shard, boundary.Inputs[0]));
        Assert.NotEqual(Values(_model, boundary.Inputs[0]), Read(shard, boundary.Inputs[0]));
        Assert.Equal(Values(_model, boundary.Output), Read(shard, boundary.Output));
    }

    [Fact]
    public void A_group_computes_sizes_and_masks_itself_and_is_fed_with_activations_alone()
    {
        var b = new GraphBuilder(17);
        var entry = b.Add("Relu", [b.Input("x", Onnx.ElementType.Float32, -1, 4)]);
        var size = b.Add("Shape", [entry]);
        var count = b.Unsqueeze(b.Add("Gather", [size, b.Constant(Tensor.FromLongs("first", [], [0]))]), 0);
        var length = b.Unsqueeze(b.Add("Gather", [size, b.Constant(Tensor.FromLongs("second", [], [1]))]), 0);
        var mask = b.Add("Slice", [b.Constant(Tensor.FromFloats("mask", [6], [1, 2, 3, 4, 5, 6])), b.Vector(0), length]);
        var split = b.Add("Reshape", [Dense(entry, "w1"), b.Concat(0, count, b.Vector(2, 2))]);
        var masked = b.Binary("Add", b.Add("Reshape", [b.Add("Tanh", [split]), b.Concat(0, count, length)]), mask);
        var output = b.Output(b.Binary("Add", entry, Dense(masked, "w2")), type: Onnx.ElementType.Float32, shape: [-1, 4]);
        var model = b.Build();
        var partition = ModelPartition.Of(model);
        var boundary = GroupBoundary.Of(model, partition, [.. partition.Layers.Select(l => l.Name)]);

        Assert.Equal([entry], boundary.Inputs);
        Assert.Equal(output, boundary.Output);
        float[] x = [.. Enumerable.Range(0, 4 * Samples).Select(i => MathF.Sin(i))];
        using var session = Runtime.Open(model);
        using var input = OrtValue.FromMemory<float>(x, [Samples, 4]);
        using var whole = session.Run(["x"], [input], [output]);
        var source = new InMemory(new() { [entry] = [.. x.Select(v => Math.Max(v, 0))], [output] = whole[0].AsSpan<float>().ToArray() });
        Assert.InRange(GroupLoss.Of(Runtime, model, partition, boundary, source, Batch, CancellationToken.None), 0, NothingTolerance);

        string Dense(string value, string weight) => b.MatMul(value, b.Constant(Tensor.FromFloats(weight, [4, 4], [.. Enumerable.Range(0, 16).Select(i => MathF.Cos(i))])));
    }

    private sealed class InMemory(Dictionary<string, float[]> values) : IActivationSource
    {
        int IActivationSource.Samples => Samples;

        public int ElementsOf(string value) => values[value].Length / Samples;

        public void Read(int sample, string value, Span<float> into) => values[value].AsSpan(sample * into.Length, into.Length).CopyTo(into);
    }

    [Fact]
    public async Task What_enters_in_the_float_model_is_captured_where_it_is_to_be_mixed_in()
    {
        var (prefix, block) = (Quantized(_partition.Blocks[0].Layers), _partition.Blocks[1]);
        var boundary = Boundary(block).Mixed();
        using var shard = await CaptureAsync(prefix, boundary);

        Assert.Equal(Values(prefix, boundary.Inputs[0]), Read(shard, boundary.Inputs[0]));
        Assert.Equal(Values(_model, boundary.Inputs[0]), Read(shard, Assert.Single(boundary.Floats)));
        Assert.Equal(Values(_model, boundary.Output), Read(shard, boundary.Output));
    }

    private GroupBoundary Boundary(Block block) => GroupBoundary.Of(_model, _partition, [.. block.Layers.Select(l => l.Name)]);

    private double Loss(OnnxModel model, GroupBoundary boundary, ActivationShard shard) =>
        GroupLoss.Of(Runtime, model, _partition, boundary, new ShardedActivations([shard]), Batch, CancellationToken.None);

    private async Task<ActivationShard> CaptureAsync(OnnxModel prefix, GroupBoundary boundary)
    {
        using var file = FashionSample.Calibration();
        await using (var stream = File.Create(_path))
            await ActivationCapture.RunAsync(Runtime, _model, prefix, boundary, file, FashionSample.Preprocess, new SampleWindow(0, Samples, Batch), piece => stream.WriteAsync(piece).AsTask());
        return ActivationShard.Open(_path);
    }

    /// <summary>The model with these layers at their nearest codes of 2 bits.</summary>
    private OnnxModel Quantized(IReadOnlyList<Layer> layers)
    {
        var model = _model.Clone();
        var partition = ModelPartition.Of(model);
        foreach (var layer in layers.Select(l => partition.Find(l.Name)!))
        {
            using var weights = Matrix<float>.FromRows(LayerMatrix.Read(layer), layer.Rows, layer.Columns);
            var grids = GridFit.Rows(weights, 2, GridKind.Mse, QuantizationScheme.Asymmetric);
            var codes = new SoftRounding(weights, grids, keepsZeros: false).Nearest();
            LayerMatrix.Write(layer, [.. codes.Select((code, i) => grids[i / layer.Columns].Value(code))]);
        }

        return model;
    }

    /// <summary>A value of the whole network, batch by batch as it is captured.</summary>
    private float[] Values(OnnxModel model, string value)
    {
        var builder = GraphBuilder.Extract(model, value);
        builder.Output(value);
        using var session = Runtime.Open(builder.Build());
        using var file = FashionSample.Calibration();
        var values = new List<float>();
        foreach (var batch in DataSet.Match(file, session.Inputs, FashionSample.Preprocess).Batches(0, Samples, Batch))
        {
            using var outputs = session.Run(batch.Names, batch.Values, [value]);
            values.AddRange(outputs[0].AsSpan<float>());
        }

        return [.. values];
    }

    private static float[] Read(ActivationShard shard, string value)
    {
        var elements = shard.ElementsOf(value);
        var values = new float[shard.Samples * elements];
        for (var i = 0; i < shard.Samples; i++)
            shard.Read(i, value, values.AsSpan(i * elements, elements));
        return values;
    }

    private static double MeanSquare(float[] values) => values.Average(v => (double)v * v);
}
