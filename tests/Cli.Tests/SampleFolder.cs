using Orchestrator.Compression.Data;

namespace Orchestrator.Cli.Tests;

/// <summary>A folder with the sample's model and a little data of its own.</summary>
internal static class SampleFolder
{
    public const string Model = "fashion_resnet14.onnx";
    public const string Data = "images.npy";
    public const int Samples = 8;

    private const int Side = 28;

    public static TestFolder Create()
    {
        var folder = new TestFolder();
        File.Copy(Path.Combine(SourceFolder(), Model), folder[Model]);
        var random = new Random(11);
        var pixels = new float[Samples * Side * Side];
        for (var i = 0; i < pixels.Length; i++)
            pixels[i] = (float)random.NextDouble();
        using var file = File.Create(folder[Data]);
        NpyArray.Write<float>(file, pixels, Samples, 1, Side, Side);
        return folder;
    }

    /// <summary>A recipe that takes a second.</summary>
    public static string Recipe(string compress = "[{method: rtn, bits: 4}]", string rest = "") => $$"""
        model: {{Model}}
        data:
          calibration: {file: {{Data}} }
        compress: {{compress}}
        {{rest}}
        """;

    private static string SourceFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return Path.Combine(folder!.FullName, "src", "Samples", "fashion-resnet14");
    }
}
