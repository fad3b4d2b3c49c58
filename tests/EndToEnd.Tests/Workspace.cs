using System.Security.Cryptography;

namespace Orchestrator.EndToEnd.Tests;

/// <summary>A folder of its own with the main sample's model and data, removed afterwards.</summary>
internal sealed class Workspace : IDisposable
{
    public const string Model = "fashion_resnet14.onnx";
    public const string Calibration = "fashion-calibration.npz";
    public const string Test = "fashion-test.npz";

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("orc-");

    public Workspace()
    {
        foreach (var file in (string[])[Model, Calibration, Test])
            File.Copy(Path.Combine(SampleFolder, file), this[file]);
    }

    public static string SampleFolder { get; } = FindSamples();

    public string Folder => _folder.FullName;

    public string this[string name] => Path.Combine(Folder, name);

    /// <summary>A recipe that runs in seconds: few samples, no evaluation unless asked for.</summary>
    public static string Recipe(
        string compress = "[{method: rtn, bits: 4}]",
        string model = Model,
        string calibration = $"{{file: {Calibration}, samples: 64}}",
        string rest = "",
        bool evaluation = false) => $$"""
        model: {{model}}
        data:
          calibration: {{calibration}}
          {{(evaluation ? $"evaluation: {{file: {Test}, metric: top1}}" : "")}}
          preprocess: {scale: 0.00392156862745098, mean: [0.2860], std: [0.3530]}
        compress: {{compress}}
        {{rest}}
        """;

    public void Write(string name, string text) => File.WriteAllText(this[name], text);

    public string Sha256(string name) => Convert.ToHexStringLower(SHA256.HashData(File.ReadAllBytes(this[name])));

    public void Dispose() => _folder.Delete(recursive: true);

    private static string FindSamples()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return Path.Combine(folder!.FullName, "src", "Samples", "fashion-resnet14");
    }
}
