using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.TestKit.Stores;

/// <summary>What happens to an operation of a <see cref="FaultyBlobStore"/>.</summary>
public enum StoreFault
{
    None,

    /// <summary>Fails and changes nothing.</summary>
    Fail,

    /// <summary>Is carried out, then reported as failed.</summary>
    LoseAnswer,
}

/// <summary>A store whose operations fail as a function of their number and name says.</summary>
/// <param name="fault">Gets the operation's number from 0, what it does and the blob's name.</param>
public sealed class FaultyBlobStore(IBlobStore inner, Func<int, string, string, StoreFault> fault) : IBlobStore
{
    private int _operations;

    public int Operations => Volatile.Read(ref _operations);

    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync("read", name, () => inner.ReadAsync(name, cancellationToken));

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync("read", name, () => inner.OpenReadAsync(name, cancellationToken));

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        RunAsync("create", name, () => inner.CreateAsync(name, content, cancellationToken));

    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
        RunAsync("create", name, () => inner.CreateAsync(name, write, cancellationToken));

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) =>
        RunAsync("replace", name, () => inner.ReplaceAsync(name, content, etag, cancellationToken));

    public Task DeleteAsync(string name, CancellationToken cancellationToken) => RunAsync("delete", name, async () =>
    {
        await inner.DeleteAsync(name, cancellationToken);
        return true;
    });

    public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken) => inner.ListAsync(prefix, cancellationToken);

    private async Task<T> RunAsync<T>(string operation, string name, Func<Task<T>> run)
    {
        var number = Interlocked.Increment(ref _operations) - 1;
        var happens = fault(number, operation, name);
        if (happens == StoreFault.Fail)
            throw new IOException($"Operation {number} ({operation} '{name}') failed.");
        var result = await run();
        return happens == StoreFault.LoseAnswer ? throw new IOException($"Operation {number} ({operation} '{name}') lost its answer.") : result;
    }
}
