using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Tests.Data;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Calibration;

/// <summary>Generated graphs against sums written out by hand, in double, straight from the definition of the layer.</summary>
public sealed class GramGraphTests : IDisposable
{
    private const int Samples = 5;

    /// <summary>Largest relative deviation of a sum: a few hundred float32 products against double.</summary>
    private const double Tolerance = 1e-5;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    public void Dispose() => _environment.Dispose();

    [Theory]
    [InlineData(15, 1, 3, 3, 1, 1, 1, 1)]
    [InlineData(15, 1, 3, 3, 2, 1, 1, 1)]
    [InlineData(15, 1, 2, 3, 2, 3, 2, 0)]
    [InlineData(15, 1, 1, 1, 1, 1, 0, 0)]
    [InlineData(15, 1, 1, 1, 2, 1, 0, 0)]
    [InlineData(15, 1, 1, 1, 1, 1, 1, 2)]
    [InlineData(15, 2, 3, 3, 1, 1, 1, 1)]
    [InlineData(15, 4, 3, 3, 2, 1, 1, 0)]
    [InlineData(15, 4, 1, 1, 1, 1, 0, 0)]
    [InlineData(9, 1, 3, 3, 2, 1, 1, 1)]
    [InlineData(9, 2, 3, 2, 1, 2, 1, 1)]
    [InlineData(7, 4, 3, 3, 2, 1, 1, 0)]
    [InlineData(21, 2, 3, 3, 3, 1, 2, 1)]
    [InlineData(15, 1, 3, 3, 1, 1, 0, 0)]
    [InlineData(15, 1, 1, 5, 1, 1, 2, 2)]
    [InlineData(15, 1, 2, 4, 1, 2, 3, 0)]
    [InlineData(15, 1, 3, 3, 1, 4, 2, 3)]
    [InlineData(15, 1, 3, 3, 1, 5, 2, 3)]
    [InlineData(9, 1, 3, 3, 1, 2, 1, 2)]
    [InlineData(7, 1, 3, 2, 1, 1, 1, 1)]
    public void A_convolution_sums_its_unfolded_input(int opset, int groups, int kernelHeight, int kernelWidth, int stride, int dilation, int before, int after)
    {
        const int Channels = 4;
        const int Size = 9;
        var builder = new GraphBuilder(opset);
        builder.Input("x", ElementType.Float32, -1, Channels, Size, Size);
        var weight = builder.Constant(Tensor.FromFloats("w", [4, Channels / groups, kernelHeight, kernelWidth], new float[4 * Channels / groups * kernelHeight * kernelWidth]));
        builder.Output(builder.Add(
            "Conv",
            ["x", weight],
            NodeAttribute.Int("group", groups),
            NodeAttribute.Ints("strides", stride, stride),
            NodeAttribute.Ints("dilations", dilation, dilation),
            NodeAttribute.Ints("pads", before, before, after, after)));
        var x = Random(Samples * Channels * Size * Size);
        var gram = Collect(builder, x, Samples, Channels, Size, Size);
        var geometry = (kernelHeight, kernelWidth, stride, dilation, before, after);
        Check(UnfoldedSum(x, Channels, Size, groups, geometry), gram);
    }

    [Theory]
    [InlineData(2, -1)]
    [InlineData(2, 8)]
    [InlineData(1, -1)]
    [InlineData(1, 8)]
    public void A_convolution_of_one_axis_sums_its_unfolded_input(int stride, int declaredSize)
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, 2, declaredSize);
        builder.Output(builder.Add("Conv", ["x", builder.Constant(Tensor.FromFloats("w", [3, 2, 3], new float[18]))], NodeAttribute.Ints("strides", (long)stride)));
        var x = Random(Samples * 2 * 8);
        var gram = Collect(builder, x, Samples, 2, 8);
        var expected = new double[6 * 6];
        for (var n = 0; n < Samples; n++)
        {
            for (var position = 0; position <= 5 / stride; position++)
                AddOuter(expected, [.. Enumerable.Range(0, 6).Select(c => (double)x[(n * 16) + (c / 3 * 8) + (stride * position) + (c % 3)])]);
        }

        Check(expected, gram);
    }

    [Theory]
    [InlineData(1)]
    [InlineData(2)]
    public void A_wide_convolution_is_summed_in_blocks_to_the_same_matrix(int stride)
    {
        const int Channels = 48;
        const int Size = 4;
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, Channels, Size, Size);
        builder.Output(builder.Add(
            "Conv",
            ["x", builder.Constant(Tensor.FromFloats("w", [1, Channels, 3, 3], new float[Channels * 9]))],
            NodeAttribute.Ints("strides", stride, stride),
            NodeAttribute.Ints("pads", 1, 1, 1, 1)));
        var x = Random(Samples * Channels * Size * Size);
        Check(UnfoldedSum(x, Channels, Size, 1, (3, 3, stride, 1, 1, 1)), Collect(builder, x, Samples, Channels, Size, Size));
    }

    [Fact]
    public void Matrix_products_sum_over_tokens_in_both_orientations()
    {
        var right = new GraphBuilder(15);
        right.Input("x", ElementType.Float32, -1, 3, 4);
        right.Output(right.MatMul("x", right.Constant(Tensor.FromFloats("w", [4, 2], new float[8]))));
        var x = Random(Samples * 12);
        var expected = new double[16];
        for (var token = 0; token < Samples * 3; token++)
            AddOuter(expected, [.. Enumerable.Range(0, 4).Select(c => (double)x[(token * 4) + c])]);
        Check(expected, Collect(right, x, Samples, 3, 4));

        var left = new GraphBuilder(15);
        left.Input("x", ElementType.Float32, -1, 4, 3);
        left.Output(left.MatMul(left.Constant(Tensor.FromFloats("w", [2, 4], new float[8])), "x"));
        expected = new double[16];
        for (var n = 0; n < Samples; n++)
        {
            for (var position = 0; position < 3; position++)
                AddOuter(expected, [.. Enumerable.Range(0, 4).Select(c => (double)x[(n * 12) + (c * 3) + position])]);
        }

        Check(expected, Collect(left, x, Samples, 4, 3));
    }

    [Fact]
    public void A_weight_used_twice_sums_the_inputs_of_both_nodes()
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, 4);
        var weight = builder.Constant(Tensor.FromFloats("w", [4, 4], [0, 1, 0, 0, 1, 0, 0, 0, 0, 0, 2, 0, 0, 0, 0, 3]));
        builder.Output(builder.MatMul(builder.MatMul("x", weight), weight));
        var x = Random(Samples * 4);
        var expected = new double[16];
        for (var n = 0; n < Samples; n++)
        {
            double[] row = [.. x.AsSpan(n * 4, 4).ToArray().Select(value => (double)value)];
            AddOuter(expected, row);
            AddOuter(expected, [row[1], row[0], 2 * row[2], 3 * row[3]]);
        }

        Check(expected, Collect(builder, x, Samples, 4));
    }

    [Fact]
    public void Half_precision_inputs_are_summed_in_single_precision()
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float16, -1, 4);
        builder.Output(builder.MatMul("x", builder.Constant(Tensor.FromReals("w", ElementType.Float16, [4, 2], new double[8]))));
        float[] x = [.. Random(Samples * 4).Select(value => (float)(Half)(value * 300))];
        var expected = new double[16];
        for (var n = 0; n < Samples; n++)
            AddOuter(expected, [.. x.AsSpan(n * 4, 4).ToArray().Select(value => (double)value)]);
        Check(expected, Collect(builder, x, Samples, 4));
    }

    [Fact]
    public void Shards_and_batches_of_any_size_cover_every_sample_once()
    {
        var (graph, data) = MatMulGraph(Random(Samples * 4));
        using (data)
        {
            var whole = Run(graph, data, 0, Samples, 2)[0];
            var merged = Run(graph, data, 0, 2, 3)[0];
            merged.Merge(Run(graph, data, 2, 3, 1)[0]);
            Check(whole.Sums.ToArray(), merged);
            Assert.Equal(whole.Sums.ToArray(), Run(graph, data, 0, Samples, 2)[0].Sums.ToArray());
        }
    }

    [Fact]
    public void Only_what_the_layers_need_is_computed()
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, 4);
        builder.Input("unused", ElementType.Float32, -1, 4);
        var weight = builder.Constant(Tensor.FromFloats("w", [4, 4], new float[16]));
        var hidden = builder.Binary("Add", builder.MatMul("x", weight), "unused");
        builder.Output(builder.MatMul(hidden, builder.Constant(Tensor.FromFloats("v", [4, 1], new float[4]))));
        var model = builder.Build();
        var partition = ModelPartition.Of(model);
        var graph = GramGraph.Build(model, partition, [partition.Layers[0].Name]);
        Assert.Equal("x", Assert.Single(graph.Model.Graph.Inputs).Name);
        Assert.DoesNotContain(graph.Model.Graph.Initializers, tensor => tensor.Name == "v");
        Assert.Throws<ArgumentException>(() => GramGraph.Build(model, partition, ["no-such-layer"]));
    }

    [Fact]
    public void A_cancelled_collection_stops()
    {
        var (graph, data) = MatMulGraph(Random(Samples * 4));
        using (data)
        {
            Assert.Throws<OperationCanceledException>(() => Calibrator.Run(
                new ModelRuntime(_environment), graph, data, new Preprocess(), 0, Samples, 1, cancellationToken: new CancellationToken(canceled: true)));
        }
    }

    private static (GramGraph Graph, DataFile Data) MatMulGraph(float[] x)
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, 4);
        builder.Output(builder.MatMul("x", builder.Constant(Tensor.FromFloats("w", [4, 2], new float[8]))));
        var model = builder.Build();
        var partition = ModelPartition.Of(model);
        return (GramGraph.Build(model, partition, partition.Layers.Select(layer => layer.Name)), DataFile.FromMemory(NumPy.Npy(x, x.Length / 4, 4), "x.npy"));
    }

    private Gram Collect(GraphBuilder builder, float[] x, params long[] shape)
    {
        var model = builder.Build();
        var partition = ModelPartition.Of(model);
        var graph = GramGraph.Build(model, partition, partition.Layers.Select(layer => layer.Name));
        using var data = DataFile.FromMemory(NumPy.Npy(x, shape), "x.npy");
        return Assert.Single(Run(graph, data, 0, Samples, 2));
    }

    private IReadOnlyList<Gram> Run(GramGraph graph, DataFile data, int first, int count, int batch) =>
        Calibrator.Run(new ModelRuntime(_environment), graph, data, new Preprocess(), first, count, batch);

    private static double[] UnfoldedSum(
        float[] x, int channels, int size, int groups, (int Height, int Width, int Stride, int Dilation, int Before, int After) geometry)
    {
        var (height, width, stride, dilation, before, after) = geometry;
        var perGroup = channels / groups;
        var columns = perGroup * height * width;
        var sums = new double[groups * columns * columns];
        var rows = ((size + before + after - ((height - 1) * dilation) - 1) / stride) + 1;
        var positions = ((size + before + after - ((width - 1) * dilation) - 1) / stride) + 1;
        for (var n = 0; n < Samples; n++)
            for (var g = 0; g < groups; g++)
                for (var row = 0; row < rows; row++)
                    for (var position = 0; position < positions; position++)
                    {
                        double[] column = [.. Enumerable.Range(0, columns).Select(c => At(
                            n, (g * perGroup) + (c / (height * width)), (row * stride) + (c / width % height * dilation) - before, (position * stride) + (c % width * dilation) - before))];
                        AddOuter(sums.AsSpan(g * columns * columns, columns * columns), column);
                    }

        return sums;

        double At(int sample, int channel, int i, int j) =>
            i < 0 || j < 0 || i >= size || j >= size ? 0 : x[(((((sample * channels) + channel) * size) + i) * size) + j];
    }

    private static void AddOuter(Span<double> sums, double[] column)
    {
        for (var i = 0; i < column.Length; i++)
            for (var j = 0; j < column.Length; j++)
                sums[(i * column.Length) + j] += column[i] * column[j];
    }

    private static void Check(double[] expected, Gram gram)
    {
        var actual = gram.Sums.ToArray();
        Assert.Equal(expected.Length, actual.Length);
        var scale = expected.Max(Math.Abs);
        Assert.All(expected.Zip(actual), pair => Assert.InRange(Math.Abs(pair.First - pair.Second), 0, Tolerance * scale));
    }

    private static float[] Random(int count)
    {
        var random = new Random(1);
        return [.. Enumerable.Range(0, count).Select(_ => (float)((2 * random.NextDouble()) - 1))];
    }
}
