using Orchestrator.Compression.Calibration;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Onnx.Partition;
using Orchestrator.Onnx.Passes;
using Orchestrator.OnnxRuntime;

namespace Orchestrator.Compression.Tests.Calibration;

/// <summary>Hessians of the sample's layers against those that the original code wrote down (batch norms kept).</summary>
public sealed class FashionHessianTests
{
    private const int Batch = 128;

    /// <summary>Relative Frobenius distance; both sides sum float32 products, the reference stores float32.</summary>
    private const double ReferenceTolerance = 1e-5;

    [Theory]
    [InlineData("/blocks/blocks.2/conv1/Conv", "blocks.2.conv1")]
    [InlineData("/fc/Gemm", "fc")]
    public void A_layers_hessian_is_that_of_the_original_code(string layer, string reference)
    {
        var model = FashionSample.Model();
        PassRunner.Run(model, PassRunner.Preparation(foldBatchNorms: false));
        var graph = GramGraph.Build(model, ModelPartition.Of(model), [layer]);
        using var environment = new OrtEnvironment(LoggingLevel.Error);
        using var data = FashionSample.Calibration();
        var fractions = new List<double>();
        var gram = Assert.Single(Calibrator.Run(
            new ModelRuntime(environment), graph, data, FashionSample.Preprocess, 0, FashionSample.CalibrationSamples, Batch, fractions.Add));
        var expected = NpyArray.Load(Path.Combine(AppContext.BaseDirectory, "Reference", reference, "H.npy")).ToDoubles();
        var hessian = gram.ToHessian(FashionSample.CalibrationSamples);
        Assert.InRange(Distance(hessian, expected), 0, ReferenceTolerance);
        Assert.Equal(Enumerable.Range(1, 8).Select(part => part / 8d), fractions);
    }

    private static double Distance(double[] actual, double[] expected)
    {
        Assert.Equal(expected.Length, actual.Length);
        var difference = actual.Zip(expected, (a, e) => (a - e) * (a - e)).Sum();
        return Math.Sqrt(difference / expected.Sum(e => e * e));
    }
}
