using System.Text.Json;
using System.Text.Json.Nodes;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Cluster;

/// <summary>Documents that are replaced: one head each, changed under its ETag.</summary>
/// <remarks>Every method throws <see cref="Jobs.InputException"/> <c>store-newer</c> where a document was written by a newer version.</remarks>
/// <param name="writer">Unlike that of any other process that uses the store: what tells our own write from an equal one of another.</param>
public sealed class DocumentHeads(IBlobStore store, string writer)
{
    /// <summary>Beside the document's own members; whoever reads it passes over it.</summary>
    private const string Write = "write";

    private long _writes;

    /// <returns>No document where there is none or it is damaged; no ETag where there is no head at all.</returns>
    public async Task<(T? Document, string? ETag)> ReadAsync<T>(string name, int schema, CancellationToken cancellationToken)
        where T : class =>
        await store.ReadAsync(name, cancellationToken) is { } blob ? (SealedJson.Read<T>(name, blob.Content, schema), blob.ETag) : (null, null);

    /// <returns>The new ETag, or null on conflict, which may be with an earlier try of our own.</returns>
    public Task<string?> ReplaceAsync<T>(string name, int schema, T document, string? etag, CancellationToken cancellationToken)
        where T : class => store.ReplaceAsync(name, SealedJson.Write(document, schema), etag, cancellationToken);

    /// <summary>Reads, changes and writes a document; again where another was faster, so no change is lost.</summary>
    /// <param name="change">Gets null where there is no document or it is damaged. Called once per try; what it throws ends the update.</param>
    /// <returns>The document as written.</returns>
    public async Task<T> UpdateAsync<T>(string name, int schema, Func<T?, T> change, CancellationToken cancellationToken)
        where T : class
    {
        var (written, document) = (ReadOnlyMemory<byte>.Empty, default(T));
        while (true)
        {
            var blob = await store.ReadAsync(name, cancellationToken);
            // Our own write, whose answer was lost: to change the document once more would count twice.
            if (document is not null && blob is not null && blob.Content.Span.SequenceEqual(written.Span))
                return document;
            document = change(blob is null ? null : SealedJson.Read<T>(name, blob.Content, schema));
            written = SealedJson.Write(Marked(document), schema);
            if (await store.ReplaceAsync(name, written, blob?.ETag, cancellationToken) is not null)
                return document;
        }
    }

    private JsonNode Marked<T>(T document)
    {
        var marked = JsonSerializer.SerializeToNode(document, CanonicalJson.Options)!;
        marked[Write] = $"{writer}-{Interlocked.Increment(ref _writes)}";
        return marked;
    }
}
