namespace Orchestrator.Onnx.Tests;

/// <summary>The real models that lie in the repository.</summary>
internal static class SampleModels
{
    public static string ResNet14 => Path.Combine(Samples(), "fashion-resnet14", "fashion_resnet14.onnx");

    private static string Samples()
    {
        for (var folder = new DirectoryInfo(AppContext.BaseDirectory); folder is not null; folder = folder.Parent)
            if (Directory.Exists(Path.Combine(folder.FullName, "src", "Samples")))
                return Path.Combine(folder.FullName, "src", "Samples");
        throw new DirectoryNotFoundException("src/Samples above the tests");
    }
}
