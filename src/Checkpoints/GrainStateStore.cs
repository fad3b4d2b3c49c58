using System.Text.Json;
using System.Text.Json.Nodes;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>What grains remember beside the commits: one head each, changed under its ETag.</summary>
/// <param name="writer">Unlike that of any other process that uses the store: what tells our own write from an equal one of another.</param>
public sealed class GrainStateStore(IBlobStore store, string writer)
{
    internal const int CurrentSchema = 1;

    /// <summary>Writes that a state remembers: ours is recognised though others have written on top of it.</summary>
    private const int MostRemembered = 16;

    // Beside the state's own members; whoever reads the state passes over them.
    private const string Write = "write";
    private const string Earlier = "earlier";

    private long _writes;

    /// <summary>Reads, changes and writes the state; again where another activation was faster, so no change is lost.</summary>
    /// <param name="change">Null means that there is no state yet. Called once per try.</param>
    /// <returns>The state as written.</returns>
    public async Task<T> UpdateAsync<T>(string tenant, string grain, Func<T?, T> change, CancellationToken cancellationToken)
        where T : class
    {
        var name = BlobNames.GrainState(tenant, grain);
        var (mark, state) = ("", default(T));
        while (true)
        {
            var blob = await store.ReadAsync(name, cancellationToken);
            var writes = (blob is null ? null : SealedJson.Read<Writes>(name, blob.Content, CurrentSchema))?.All ?? [];
            // Our own write, whose answer was lost: to change the state once more would count twice.
            if (state is not null && writes.Contains(mark))
                return state;
            // A damaged state is like none: it only holds what can be counted anew.
            state = change(blob is null ? null : SealedJson.Read<T>(name, blob.Content, CurrentSchema));
            mark = NextMark();
            if (await store.ReplaceAsync(name, SealedJson.Write(Marked(state, mark, writes), CurrentSchema), blob?.ETag, cancellationToken) is not null)
                return state;
        }
    }

    /// <summary>The state with its version, for whoever keeps it between a read and a write.</summary>
    /// <returns>No state where there is none or it is damaged; a damaged one has a version.</returns>
    public async Task<(T? State, string? ETag)> ReadVersionAsync<T>(string tenant, string grain, CancellationToken cancellationToken)
        where T : class
    {
        var name = BlobNames.GrainState(tenant, grain);
        return await store.ReadAsync(name, cancellationToken) is { } blob ? (SealedJson.Read<T>(name, blob.Content, CurrentSchema), blob.ETag) : (null, null);
    }

    /// <summary>Writes the state where the version is still current.</summary>
    /// <returns>The new version; null where another activation was faster.</returns>
    public async Task<string?> ReplaceAsync<T>(string tenant, string grain, T state, string? etag, CancellationToken cancellationToken)
        where T : class
    {
        var name = BlobNames.GrainState(tenant, grain);
        var content = SealedJson.Write(Marked(state, NextMark(), []), CurrentSchema);
        if (await store.ReplaceAsync(name, content, etag, cancellationToken) is { } written)
            return written;
        // Refused, or our own write whose answer was lost.
        return await store.ReadAsync(name, cancellationToken) is { } blob && blob.Content.Span.SequenceEqual(content) ? blob.ETag : null;
    }

    private string NextMark() => $"{writer}-{Interlocked.Increment(ref _writes)}";

    private static JsonNode Marked<T>(T state, string mark, IEnumerable<string> earlier)
    {
        var marked = JsonSerializer.SerializeToNode(state, CanonicalJson.Options)!;
        marked[Write] = mark;
        if (earlier.Take(MostRemembered).ToArray() is { Length: > 0 } remembered)
            marked[Earlier] = JsonSerializer.SerializeToNode(remembered, CanonicalJson.Options);
        return marked;
    }

    /// <returns>Null where there is none or it is damaged.</returns>
    public async Task<T?> ReadAsync<T>(string tenant, string grain, CancellationToken cancellationToken)
        where T : class
    {
        var name = BlobNames.GrainState(tenant, grain);
        return await store.ReadAsync(name, cancellationToken) is { } blob ? SealedJson.Read<T>(name, blob.Content, CurrentSchema) : null;
    }

    /// <summary>Who wrote a state, the last first.</summary>
    internal sealed record Writes(string? Write, IReadOnlyList<string>? Earlier)
    {
        public IReadOnlyList<string> All => Write is null ? [] : [Write, .. Earlier ?? []];
    }
}
