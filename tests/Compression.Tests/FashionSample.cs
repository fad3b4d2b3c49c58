using Orchestrator.Compression.Data;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Onnx;

namespace Orchestrator.Compression.Tests;

/// <summary>The main sample: a small residual network for 28 × 28 images, its calibration and its test images.</summary>
internal static class FashionSample
{
    public const int CalibrationSamples = 1024;

    public static Preprocess Preprocess { get; } = new() { Scale = 1 / 255d, Mean = [0.2860], Std = [0.3530] };

    public static OnnxModel Model() => OnnxModel.Load(File("fashion_resnet14.onnx"));

    public static DataFile Calibration() => DataFile.Open(File("fashion-calibration.npz"));

    public static DataFile Test() => DataFile.Open(File("fashion-test.npz"));

    private static string File(string name) => Path.Combine(AppContext.BaseDirectory, "fashion-resnet14", name);
}
