using System.IO.Compression;
using System.Security.Cryptography;
using System.Text.Json;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Jobs;

/// <summary>What a job's report needs and its units do not.</summary>
internal sealed record JobPapers(ModelOutline Outline, JobSources Sources);

/// <summary>Keeps papers among the tenant's inputs: compressed, in parts, none of them large however many layers a model has.</summary>
internal sealed class PaperBlobs(TensorBlobs blobs)
{
    private const int PartBytes = 1 << 20;

    /// <summary>Papers that unfold to more than this are no papers of ours.</summary>
    private const int MostBytes = 256 << 20;

    public async Task<IReadOnlyList<SourceBlob>> WriteAsync(string tenant, JobPapers papers, CancellationToken cancellationToken)
    {
        var parts = new List<SourceBlob>();
        foreach (var content in Compress(CanonicalJson.Serialize(papers)).Chunk(PartBytes))
        {
            var part = new SourceBlob(Convert.ToHexStringLower(SHA256.HashData(content)), content.Length);
            await blobs.ImportAsync(tenant, part.Sha256, part.Length, () => new MemoryStream(content, writable: false), cancellationToken);
            parts.Add(part);
        }

        return parts;
    }

    /// <returns>Null where a part is damaged.</returns>
    public async Task<JobPapers?> ReadAsync(string tenant, IReadOnlyList<SourceBlob> parts, CancellationToken cancellationToken)
    {
        try
        {
            using var whole = new MemoryStream();
            foreach (var part in parts)
                whole.Write((await blobs.ReadAsync(new BlobRef(BlobNames.Input(tenant, part.Sha256), part.Sha256, part.Length), cancellationToken)).Span);
            return JsonSerializer.Deserialize<JobPapers>(Expand(whole.ToArray()), CanonicalJson.Options);
        }
        catch (Exception damaged) when (damaged is DamagedBlobException or JsonException or InvalidDataException)
        {
            return null;
        }
    }

    private static byte[] Compress(byte[] content)
    {
        using var compressed = new MemoryStream();
        using (var stream = new BrotliStream(compressed, CompressionLevel.Fastest))
            stream.Write(content);
        return compressed.ToArray();
    }

    private static byte[] Expand(byte[] compressed)
    {
        using var stream = new BrotliStream(new MemoryStream(compressed), CompressionMode.Decompress);
        using var content = new MemoryStream();
        var buffer = new byte[1 << 16];
        while (stream.Read(buffer) is > 0 and var read)
        {
            if (content.Length + read > MostBytes)
                throw new InvalidDataException("The papers are larger than any of ours.");
            content.Write(buffer.AsSpan(0, read));
        }

        return content.ToArray();
    }
}
