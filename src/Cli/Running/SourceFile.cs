using System.Security.Cryptography;
using Orchestrator.Cli.Reports;
using Orchestrator.Compression.Data;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Onnx;

namespace Orchestrator.Cli.Running;

/// <summary>A file that the recipe names, as it goes into the store.</summary>
/// <param name="Stamp">For provenance: the path as written.</param>
/// <param name="Open">Opens the content; may be called again.</param>
internal sealed record SourceFile(FileStamp Stamp, Func<Stream> Open)
{
    public SourceBlob Blob => new(Stamp.Sha256, Stamp.Bytes);

    /// <summary>Checks a data file to its last element, so that nothing is found out after hours.</summary>
    /// <exception cref="InputException">Not NumPy data, or NaN or infinity in it.</exception>
    public static (SourceFile File, DataHeader Header) ReadData(string written, string path)
    {
        using var data = DataFile.Open(path);
        data.CheckFinite();
        var (sha256, length) = data.Digest();
        var file = new SourceFile(new FileStamp(written, sha256, length), () => File.OpenRead(path));
        return (file, new DataHeader(written, file.Blob, data.Outlines));
    }

    /// <summary>A model and, where its weights lie in files beside it, one blob that holds them too.</summary>
    /// <exception cref="InputException">Not a model that can be compressed.</exception>
    public static (SourceFile File, OnnxModel Model) ReadModel(string written, string path)
    {
        var model = ModelPreparation.LoadFile(path);
        var bytes = File.ReadAllBytes(path);
        var content = IsSelfContained(bytes) ? bytes : model.ToBytes();
        var stamp = new FileStamp(written, Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
        return (new SourceFile(stamp, () => new MemoryStream(content, writable: false)), model);
    }

    private static bool IsSelfContained(byte[] bytes)
    {
        try
        {
            OnnxModel.Load(bytes);
            return true;
        }
        catch (OnnxException)
        {
            return false;
        }
    }
}
