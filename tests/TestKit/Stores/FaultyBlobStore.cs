using System.Runtime.CompilerServices;
using Orchestrator.Checkpoints.Blobs;

namespace Orchestrator.TestKit.Stores;

/// <summary>What happens to an operation of a <see cref="FaultyBlobStore"/>.</summary>
public enum StoreFault
{
    None,

    /// <summary>Fails and changes nothing.</summary>
    Fail,

    /// <summary>Is carried out, then reported as failed; a listing fails in its middle.</summary>
    LoseAnswer,

    /// <summary>Fails as only a mistake in code does, with no <see cref="IOException"/>: nobody tries again.</summary>
    Break,

    /// <summary>A write leaves a part of its content under its name and fails, as a power cut does on a disk that is not crash-safe. Anything else fails.</summary>
    Tear,

    /// <summary>A write leaves a part of its content under its name and is reported as done. Anything else is carried out.</summary>
    TearUnnoticed,
}

/// <summary>A store whose operations fail as a function of their number and name says.</summary>
/// <param name="fault">Gets the operation's number from 0, what it does (<c>read</c>, <c>create</c>, <c>replace</c>, <c>delete</c>, <c>list</c>) and the blob's name or the prefix.</param>
/// <param name="tear">How many bytes a torn write of so many leaves; half of them where it is null.</param>
public sealed class FaultyBlobStore(IBlobStore inner, Func<int, string, string, StoreFault> fault, Func<int, int>? tear = null) : IBlobStore
{
    private int _operations;

    public int Operations => Volatile.Read(ref _operations);

    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync("read", name, () => inner.ReadAsync(name, cancellationToken));

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken) =>
        RunAsync("read", name, () => inner.OpenReadAsync(name, cancellationToken));

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken) =>
        RunAsync("create", name, () => inner.CreateAsync(name, content, cancellationToken), () => inner.CreateAsync(name, Torn(content), cancellationToken));

    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken) =>
        RunAsync("create", name, () => inner.CreateAsync(name, write, cancellationToken), async () =>
        {
            using var whole = new MemoryStream();
            await write(whole, cancellationToken);
            return await inner.CreateAsync(name, Torn(whole.ToArray()), cancellationToken);
        });

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken) => RunAsync(
        "replace", name, () => inner.ReplaceAsync(name, content, etag, cancellationToken), () => inner.ReplaceAsync(name, Torn(content), etag, cancellationToken));

    public Task DeleteAsync(string name, CancellationToken cancellationToken) => RunAsync("delete", name, async () =>
    {
        await inner.DeleteAsync(name, cancellationToken);
        return true;
    });

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var entries = new List<BlobEntry>();
        var happens = StoreFault.None;
        await RunAsync("list", prefix, async () =>
        {
            await foreach (var entry in inner.ListAsync(prefix, cancellationToken))
                entries.Add(entry);
            return true;
        }, lost: () => happens = StoreFault.LoseAnswer);
        var left = happens == StoreFault.LoseAnswer ? entries.Count / 2 : entries.Count;
        foreach (var entry in entries.Take(left))
            yield return entry;
        if (happens == StoreFault.LoseAnswer)
            throw new IOException($"The listing of '{prefix}' broke off after {left} of {entries.Count} entries.");
    }

    private ReadOnlyMemory<byte> Torn(ReadOnlyMemory<byte> content) => content[..(tear?.Invoke(content.Length) ?? content.Length / 2)];

    private async Task<T> RunAsync<T>(string operation, string name, Func<Task<T>> run, Func<Task<T>>? torn = null, Action? lost = null)
    {
        var number = Interlocked.Increment(ref _operations) - 1;
        var happens = fault(number, operation, name);
        var told = $"Operation {number} ({operation} '{name}')";
        switch (happens)
        {
            case StoreFault.Fail:
            case StoreFault.Tear when torn is null:
                throw new IOException($"{told} failed.");
            case StoreFault.Break:
                throw new InvalidOperationException($"{told} met a mistake.");
            case StoreFault.Tear:
                await torn!();
                throw new IOException($"{told} was cut short.");
            case StoreFault.TearUnnoticed when torn is not null:
                return await torn();
        }

        var result = await run();
        if (happens != StoreFault.LoseAnswer)
            return result;
        if (lost is null)
            throw new IOException($"{told} lost its answer.");
        lost();
        return result;
    }
}
