using Orchestrator.Compression.Data;
using Orchestrator.Compression.Evaluation;
using Orchestrator.Compression.Models;
using Orchestrator.Compression.Tests.Data;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.Onnx;
using Orchestrator.Onnx.Partition;
using Orchestrator.OnnxRuntime;
using ElementType = Orchestrator.Onnx.ElementType;

namespace Orchestrator.Compression.Tests.Evaluation;

public sealed class LayerComparisonTests : IDisposable
{
    /// <summary>Sums of few float32 products.</summary>
    private const double Tolerance = 1e-6;

    private readonly OrtEnvironment _environment = new(LoggingLevel.Error);

    public void Dispose() => _environment.Dispose();

    [Fact]
    public void Every_layer_is_compared_and_errors_add_up_through_the_model()
    {
        // Halving the first weight halves both outputs; turning the second turns the second's alone.
        var checks = Compare(Chain([2, 0, 0, 2], [1, 0, 0, 1]), Chain([1, 0, 0, 1], [0, 1, -1, 0]));
        Assert.Equal(2, checks.Count);
        Assert.Equal(0.5, checks[0].RelativeError, Tolerance);
        Assert.Equal(1, checks[0].Cosine, Tolerance);
        Assert.Equal(Math.Sqrt(1.25), checks[1].RelativeError, Tolerance);
        Assert.Equal(0, checks[1].Cosine, Tolerance);
    }

    [Fact]
    public void A_model_compared_with_itself_has_no_error()
    {
        var checks = Compare(Chain([2, 1, 0, 2], [1, 0, 3, 1]), Chain([2, 1, 0, 2], [1, 0, 3, 1]));
        Assert.All(checks, check => Assert.Equal((0d, 1d), (check.RelativeError, Math.Round(check.Cosine, 12))));
    }

    [Fact]
    public void Outputs_that_are_all_zero_are_compared_too()
    {
        var (zero, some) = (Chain([0, 0, 0, 0], [1, 0, 0, 1]), Chain([1, 0, 0, 1], [1, 0, 0, 1]));
        Assert.Equal((0d, 1d), Compare(zero, Chain([0, 0, 0, 0], [1, 0, 0, 1])).Select(check => (check.RelativeError, check.Cosine)).First());
        Assert.Equal((1d, 0d), Compare(zero, some).Select(check => (check.RelativeError, check.Cosine)).First());
        Assert.Equal((1d, 0d), Compare(some, zero).Select(check => (check.RelativeError, check.Cosine)).First());
    }

    private IReadOnlyList<LayerCheck> Compare(OnnxModel prepared, OnnxModel compressed)
    {
        LayerRef[] layers = [.. ModelPartition.Of(prepared).Layers.Select((layer, index) => new LayerRef(layer.Name, index))];
        using var data = DataFile.FromMemory(NumPy.Npy(new float[] { 1, 2, 3, -1, 0.5f, 4 }, 3, 2), "x.npy");
        return LayerComparison.Run(new ModelRuntime(_environment), prepared, compressed, layers, data, new Preprocess(), new SampleWindow(0, 3, 2));
    }

    private static OnnxModel Chain(float[] first, float[] second)
    {
        var builder = new GraphBuilder(15);
        builder.Input("x", ElementType.Float32, -1, 2);
        var hidden = builder.MatMul("x", builder.Constant(Tensor.FromFloats("v", [2, 2], first)));
        builder.Output(builder.MatMul(hidden, builder.Constant(Tensor.FromFloats("w", [2, 2], second))));
        return builder.Build();
    }
}
