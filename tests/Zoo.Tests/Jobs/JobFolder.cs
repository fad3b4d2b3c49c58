using System.IO.Compression;
using System.Runtime.InteropServices;
using System.Text.Json;
using Orchestrator.Cli;
using Orchestrator.Cli.Output;
using Orchestrator.Compression.Data;
using Orchestrator.OnnxRuntime;
using Orchestrator.Zoo.Tests.Running;

namespace Orchestrator.Zoo.Tests.Jobs;

/// <summary>A folder with a model, random calibration data and a recipe, in which <c>orc run</c> runs; removed afterwards.</summary>
internal sealed class JobFolder : IDisposable
{
    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("orc-zoo-");

    /// <param name="feeds">Calibration data; the first axis of every array counts samples.</param>
    public JobFolder(byte[] model, IReadOnlyList<Feed> feeds)
    {
        File.WriteAllBytes(this["model.onnx"], model);
        using var archive = ZipFile.Open(this["data.npz"], ZipArchiveMode.Create);
        foreach (var feed in feeds)
        {
            using var entry = archive.CreateEntry($"{feed.Name}.npy").Open();
            switch (feed.Type)
            {
                case ElementType.Float:
                    NpyArray.Write<float>(entry, MemoryMarshal.Cast<byte, float>(feed.Bytes), feed.Shape);
                    break;
                case ElementType.Double:
                    NpyArray.Write<double>(entry, MemoryMarshal.Cast<byte, double>(feed.Bytes), feed.Shape);
                    break;
                case ElementType.Float16:
                    NpyArray.Write<Half>(entry, MemoryMarshal.Cast<byte, Half>(feed.Bytes), feed.Shape);
                    break;
                case ElementType.Int64:
                    NpyArray.Write<long>(entry, MemoryMarshal.Cast<byte, long>(feed.Bytes), feed.Shape);
                    break;
                default:
                    throw new NotSupportedException($"no array of type {feed.Type}");
            }
        }
    }

    public string this[string name] => Path.Combine(_folder.FullName, name);

    /// <summary>The compressed model of the last run.</summary>
    public byte[] Model => File.ReadAllBytes(this["out/model.onnx"]);

    public void Dispose() => _folder.Delete(recursive: true);

    /// <returns>Exit code and the JSON that the command prints.</returns>
    public async Task<(int Code, JsonElement Json)> RunAsync(string compress, string rest = "")
    {
        File.WriteAllText(this["recipe.yaml"], $$"""
            model: model.onnx
            data:
              calibration: {file: data.npz}
            compress: {{compress}}
            {{rest}}
            """);
        using var output = new StringWriter();
        using var error = new StringWriter();
        var code = await OrcCommand.InvokeAsync(["run", "recipe.yaml", "--json"], new Surroundings
        {
            Terminal = new Terminal { Output = output, Error = error },
            Clock = TimeProvider.System,
            WorkingFolder = _folder.FullName,
            Cores = 2,
        });
        return (code, JsonDocument.Parse(output.ToString()).RootElement);
    }
}
