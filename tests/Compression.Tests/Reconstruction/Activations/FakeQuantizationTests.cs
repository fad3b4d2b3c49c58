using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Grids;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Reconstruction.Activations;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Tests.Reconstruction.Activations;

/// <summary>Fake quantization against the formula in its own words, and initial grids against the search on values that were captured otherwise.</summary>
public sealed class FakeQuantizationTests : IDisposable
{
    // Leaves a rest.
    private const int Batch = 10;
    private const int Samples = 24;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    private ModelRuntime Runtime => new(_environment);

    public void Dispose() => _environment.Dispose();

    [Theory]
    [InlineData(2, 0)]
    [InlineData(4, 7)]
    [InlineData(8, 200)]
    public void A_value_is_rounded_to_the_even_code_and_cut_off_at_the_ends(int bits, int zero)
    {
        const float Scale = 0.25f;
        float[] x = [.. Enumerable.Range(-2_000, 4_001).Select(i => i / 16f)];
        var (model, value) = DoubledModel.Build(17);
        FakeQuantization.Insert(model, [new ActivationGrid(value, bits, Scale, zero)]);

        var most = (1 << bits) - 1;
        Assert.Equal(x.Select(v => Scale * (Math.Clamp(MathF.Round(2 * v / Scale) + zero, 0, most) - zero)), DoubledModel.Run(Runtime, model, x));
    }

    [Theory]
    [InlineData(9)]
    [InlineData(17)]
    public void All_who_read_the_value_get_the_quantized_one_whatever_the_operator_set(int opset)
    {
        var (model, value) = DoubledModel.Build(opset);
        var raw = FakeQuantization.Insert(model, value, GraphBuilder.Edit(model).Scalar(3), 1, 2);

        Assert.True(model.Graph.IsOutput(value));
        Assert.Equal("Mul", model.Graph.Producer(raw)!.OpType);
        Assert.Equal([-3f, 0, 3, 6], DoubledModel.Run(Runtime, model, [-9, 0.5f, 2, 9]));
    }

    [Fact]
    public void What_is_not_computed_has_no_quantizer()
    {
        var (model, _) = DoubledModel.Build(17);
        Assert.Equal("x", Assert.Throws<OnnxException>(() => FakeQuantization.Insert(model, [new ActivationGrid("x", 4, 1, 0)])).Subject);
    }

    [Fact]
    public void Initial_grids_are_those_of_the_search_each_behind_the_ones_before()
    {
        var model = ModelPreparation.Prepare(FashionSample.Model(), BatchNormMode.Fold);
        var places = ActivationPlaces.Of(model, ModelPartition.Of(model), new ActivationSpec(3, [])).Take(2).ToList();
        using var file = FashionSample.Calibration();
        var grids = InitialGrids.Fit(Runtime, model, places, file, FashionSample.Preprocess, new SampleWindow(0, Samples, Batch));

        var quantized = model.Clone();
        foreach (var (place, grid) in places.Zip(grids))
        {
            var values = Values(quantized, place.Value, file);
            var expected = GridFit.Row(values, 3, GridKind.Mse, QuantizationScheme.Asymmetric);
            Assert.Equal(new ActivationGrid(place.Value, 3, expected.Scale, expected.Zero), grid);
            FakeQuantization.Insert(quantized, [grid]);
            Assert.InRange(Values(quantized, place.Value, file).Distinct().Count(), 2, 8);
        }
    }

    private float[] Values(OnnxModel model, string value, DataFile file)
    {
        var builder = GraphBuilder.Extract(model, value);
        builder.Output(value);
        using var session = Runtime.Open(builder.Build());
        using var options = new RunOptions();
        var values = new List<float>();
        foreach (var feed in DataSet.Match(file, session.Inputs, FashionSample.Preprocess).Batches(0, Samples, Samples))
        {
            using var outputs = session.Run(feed.Names, feed.Values, [value], options);
            values.AddRange(outputs[0].AsSpan<float>());
        }

        return [.. values];
    }
}
