using System.Buffers;
using Azure.Storage.Blobs.Specialized;

namespace Orchestrator.Checkpoints.Blobs.Azure;

/// <summary>One blob and the right to it.</summary>
/// <param name="name">For messages.</param>
internal abstract class AzureBlob(string name)
{
    public string Name { get; } = name;

    public abstract ValueTask<BlockBlobClient> ClientAsync(CancellationToken cancellationToken);

    /// <summary>When the right ends; null where it does not by itself.</summary>
    public virtual DateTimeOffset? Ends => null;

    /// <summary>The service refused.</summary>
    /// <returns>Whether the next client may fare better.</returns>
    public virtual bool Renew() => false;
}

/// <summary>Some of a blob's bytes.</summary>
/// <param name="Buffer">Holds them from its start on; may be longer.</param>
/// <param name="Total">Length of the whole blob.</param>
internal sealed record AzureRange(byte[] Buffer, int Length, global::Azure.ETag ETag, long Total, bool IsPooled = false)
{
    /// <summary>The bytes are not looked at any more.</summary>
    public void Release()
    {
        if (IsPooled)
            ArrayPool<byte>.Shared.Return(Buffer);
    }
}
