using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Numerics;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Export;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Reconstruction.Activations;

/// <summary>
/// algorithms.md 3.9: what a model with quantized activations computes is what was simulated, bit for bit, with the runtime's optimizations off. With them on it
/// sums convolutions in another order where weights are codes, and now and then a value beside a tie gets the next code.
/// </summary>
public sealed class ExportedActivationsTests : IDisposable
{
    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    private ModelRuntime Runtime => new(_environment);

    public void Dispose() => _environment.Dispose();

    [Theory]
    [InlineData(17, 2)]
    [InlineData(17, 3)]
    [InlineData(17, 4)]
    [InlineData(17, 5)]
    [InlineData(17, 7)]
    [InlineData(17, 8)]
    [InlineData(9, 4)]
    [InlineData(9, 8)]
    [InlineData(21, 4)]
    public void Codes_give_the_values_of_fake_quantization_at_ties_and_at_the_ends_too(int opset, int bits)
    {
        var most = (1 << bits) - 1;
        foreach (var scale in (float[])[0.25f, 0.1f, 1 / 3f, 1e-8f, 3e20f])
        {
            foreach (var zero in (int[])[0, most / 3, most])
            {
                var x = Inputs(scale, most);
                var (exported, value) = DoubledModel.Build(opset);
                var simulated = exported.Clone();
                QuantizedActivations.Apply(exported, value, scale, zero, bits);
                FakeQuantization.Insert(simulated, [new ActivationGrid(value, bits, scale, zero)]);

                Assert.Equal(Bits(DoubledModel.Run(Runtime, simulated, x)), Bits(DoubledModel.Run(Runtime, exported, x)));
                Assert.InRange(DoubledModel.Run(Runtime, exported, x).Distinct().Count(), 2, most + 1);
            }
        }
    }

    [Fact]
    public void Behind_a_clip_too_the_runtime_takes_them()
    {
        var builder = new GraphBuilder(17);
        var x = builder.Input("x", ElementType.Float32, -1);
        var value = builder.Output(builder.Add("Clip", [x, builder.Scalar(0), builder.Scalar(6)]));
        var model = builder.Build();

        QuantizedActivations.Apply(model, value, 0.25f, 0, 4);

        Assert.Equal([0, 0.25f, 3.75f, 3.75f], DoubledModel.Run(Runtime, model, [-1, 0.3f, 5, 7]));
    }

    [Theory]
    [InlineData(4, 0f, 0)]
    [InlineData(4, float.NaN, 0)]
    [InlineData(4, 1f, 16)]
    [InlineData(4, 1f, -1)]
    [InlineData(9, 1f, 0)]
    public void What_is_no_grid_is_refused(int bits, float scale, int zero)
    {
        var (model, value) = DoubledModel.Build(17);
        Assert.Throws<OnnxException>(() => QuantizedActivations.Apply(model, value, scale, zero, bits));
        Assert.Throws<OnnxException>(() => QuantizedActivations.Apply(model, "x", 1, 0, 4));
    }

    [Theory]
    [InlineData(4, 4)]
    [InlineData(8, 3)]
    public void The_sample_network_computes_what_was_simulated(int weightBits, int activationBits)
    {
        var model = ModelPreparation.Prepare(FashionSample.Model(), BatchNormMode.Fold);
        var partition = ModelPartition.Of(model);
        var spec = new ActivationSpec(activationBits, [new LayerRef(partition.Layers[0].Name, 0), new LayerRef(partition.Layers[^1].Name, 15)]);
        using var file = FashionSample.Calibration();
        var (simulated, exported) = (model.Clone(), model.Clone());
        Round(simulated, weightBits, (_, layer, codes, scales, zeros) => LayerMatrix.Write(layer, QuantizedWeights.Dequantize(codes, scales, zeros)));
        var grids = InitialGrids.Fit(Runtime, simulated, ActivationPlaces.Of(model, partition, spec), file, FashionSample.Preprocess, new SampleWindow(0, 4, 4));
        FakeQuantization.Insert(simulated, grids);
        Round(exported, weightBits, (to, layer, codes, scales, zeros) => QuantizedWeights.Apply(to, layer, codes, scales, zeros, weightBits));
        foreach (var grid in grids)
            QuantizedActivations.Apply(exported, grid.Value, grid.Scale, grid.Zero, grid.Bits);

        using var simulatedSession = Open(simulated);
        using var exportedSession = Open(exported);
        using var options = new RunOptions();
        foreach (var feed in DataSet.Match(file, simulatedSession.Inputs, FashionSample.Preprocess).Batches(0, 16, 8))
        {
            using var expected = simulatedSession.Run(feed.Names, feed.Values, [model.Graph.Outputs[0].Name], options);
            using var actual = exportedSession.Run(feed.Names, feed.Values, [model.Graph.Outputs[0].Name], options);
            Assert.Equal(Bits(expected[0].AsSpan<float>().ToArray()), Bits(actual[0].AsSpan<float>().ToArray()));
        }
    }

    private Session Open(OnnxModel model)
    {
        var options = Runtime.Options();
        options.OptimizationLevel = GraphOptimizationLevel.None;
        return Session.FromBytes(_environment, model.ToBytes(), options);
    }

    private static void Round(OnnxModel model, int bits, Action<OnnxModel, Layer, int[], float[], int[]> write)
    {
        foreach (var layer in ModelPartition.Of(model).Layers)
        {
            using var weights = Matrix<float>.FromRows(LayerMatrix.Read(layer), layer.Rows, layer.Columns);
            var grids = GridFit.Rows(weights, bits, GridKind.Mse, QuantizationScheme.Asymmetric);
            int[] codes = [.. Enumerable.Range(0, layer.Rows).SelectMany(row => weights.Row(row).ToArray().Select(w => grids[row].Code(w)))];
            write(model, layer, codes, [.. grids.Select(g => g.Scale)], [.. grids.Select(g => g.Zero)]);
        }
    }

    /// <summary>Ties and their neighbours, halved since the model doubles them, and values far beyond the ends.</summary>
    private static float[] Inputs(float scale, int most)
    {
        var ties = Enumerable.Range(-2 * most - 6, 4 * most + 12).Select(i => scale * i / 2).SelectMany(t => new[] { MathF.BitDecrement(t), t, MathF.BitIncrement(t) });
        return [.. ties.Concat([1e30f, -1e30f, float.MaxValue / 4, 0, -0f]).Select(v => v / 2)];
    }

    private static int[] Bits(float[] values) => [.. values.Select(v => v == 0 ? 0 : BitConverter.SingleToInt32Bits(v))];
}
