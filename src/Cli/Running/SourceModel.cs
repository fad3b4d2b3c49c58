using System.Security.Cryptography;
using Orchestrator.Cli.Reports;
using Orchestrator.Compression.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Onnx;

namespace Orchestrator.Cli.Running;

/// <summary>
/// A model file as it goes into the store: one blob where it holds all its weights; otherwise its large weights are blobs of their own, and
/// the model's blob names each by its digest.
/// </summary>
internal sealed record SourceModel
{
    /// <summary>Of the blob; the bytes are those of model and weights together.</summary>
    public required FileStamp Stamp { get; init; }

    public required ReadOnlyMemory<byte> Content { get; init; }

    /// <summary>In the model's order; null where the blob holds all weights.</summary>
    public IReadOnlyList<SourceTensor>? Tensors { get; init; }

    public SourceBlob Blob => new(Stamp.Sha256, Content.Length);

    public IReadOnlyList<SourceBlob>? TensorBlobs => Tensors?.Select(t => t.Blob).ToList();

    /// <summary>Reads a model's structure. Weights in files beside it are not looked at.</summary>
    /// <returns>The stamp is that of the model file alone, with the size of its weights added.</returns>
    /// <exception cref="InputException">Not a model that can be compressed.</exception>
    public static (FileStamp Stamp, OnnxModel Model) Inspect(string written, string path)
    {
        var model = ModelPreparation.LoadFile(path);
        using var file = File.OpenRead(path);
        return (new FileStamp(written, Convert.ToHexStringLower(SHA256.HashData(file)), file.Length + model.ExternalBytes), model);
    }

    /// <summary>Reads all of a model, so that what is wrong with its weights is found out before anything is written.</summary>
    /// <exception cref="InputException">Not a model that can be compressed.</exception>
    public static (SourceModel Source, OnnxModel Model) Read(string written, string path)
    {
        var model = ModelPreparation.LoadFile(path);
        if (!model.HasExternalData)
        {
            // What lies outside is small and goes into the blob.
            var content = model.ExternalBytes == 0 ? File.ReadAllBytes(path) : model.ToBytes();
            return (new SourceModel { Stamp = StampOf(written, content, content.Length), Content = content }, model);
        }

        var tensors = new Dictionary<string, SourceTensor>(StringComparer.Ordinal);
        foreach (var tensor in model.Graph.Initializers.Where(t => t.Mapped is not null))
            tensors.Add(tensor.Name, SourceTensor.Of(tensor));
        ModelPreparation.CheckFinite(model, written, tensor => tensors.TryGetValue(tensor.Name, out var read) ? read.IsFinite : tensor.IsFinite());
        var message = model.ToBytes(tensor => tensors.TryGetValue(tensor.Name, out var read) ? new ExternalPlace(read.Blob.Sha256, 0) : null);
        var source = new SourceModel
        {
            Stamp = StampOf(written, message, new FileInfo(path).Length + model.ExternalBytes),
            Content = message,
            Tensors = [.. tensors.Values.DistinctBy(t => t.Blob.Sha256)],
        };
        return (source, model);
    }

    private static FileStamp StampOf(string written, byte[] content, long bytes) => new(written, Convert.ToHexStringLower(SHA256.HashData(content)), bytes);
}

/// <summary>A large weight in a file beside the model, read through once.</summary>
internal sealed record SourceTensor(SourceBlob Blob, bool IsFinite, Func<Stream, CancellationToken, Task> Write)
{
    public static SourceTensor Of(Tensor tensor)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var isFinite = true;
        tensor.Mapped!.Scan(piece =>
        {
            hash.AppendData(piece.Span);
            isFinite = isFinite && tensor.AreFinite(piece.Span);
        });
        return new SourceTensor(new SourceBlob(Convert.ToHexStringLower(hash.GetHashAndReset()), tensor.ByteCount), isFinite, (stream, _) =>
        {
            tensor.CopyTo(stream);
            return Task.CompletedTask;
        });
    }
}
