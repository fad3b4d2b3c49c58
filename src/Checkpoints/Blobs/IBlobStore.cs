namespace Orchestrator.Checkpoints.Blobs;

/// <summary>
/// Named bytes. Two kinds, told apart by name (<see cref="BlobName"/>): blobs are created once and never change; heads (last segment
/// ends in <c>.head</c>) are replaced under a condition. Reads see the latest write. Any number of threads, processes and machines
/// may use one store at once.
/// </summary>
/// <remarks>
/// As with any remote store, an error or a cancellation leaves the outcome of a write unknown, and a conflict may be caused by our own
/// earlier try: read back and compare. Every method throws <see cref="ArgumentException"/> for a name that is not valid and
/// <see cref="IOException"/> or <see cref="UnauthorizedAccessException"/> where the store fails.
/// </remarks>
public interface IBlobStore
{
    /// <summary>Whole content, or null where there is no such blob.</summary>
    public Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken);

    /// <summary>Content from the start, or null where there is no such blob. Not for heads.</summary>
    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken);

    /// <summary>The file that a blob lies in, for a reader that maps it into memory; null where there is no such blob or it lies in no file. Not for heads.</summary>
    public string? FindFile(string name) => null;

    /// <summary>Creates a blob. All of it or nothing becomes visible, and it is on stable storage when the call returns.</summary>
    /// <returns>False where the name is taken; then nothing was changed.</returns>
    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken);

    /// <summary>As the other overload, for content that comes piece by piece.</summary>
    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken);

    /// <summary>Creates or replaces a head.</summary>
    /// <param name="etag">The version that must be current; null where the head must not exist.</param>
    /// <returns>The new version, or null on conflict; then nothing was changed.</returns>
    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken);

    /// <summary>Deletes a blob or a head; nothing happens where there is none.</summary>
    public Task DeleteAsync(string name, CancellationToken cancellationToken);

    /// <summary>Whoever reads tells here that a blob was missing or not what had been written, for those who count it.</summary>
    public void NoteDamage(string name)
    {
    }

    /// <summary>All blobs and heads whose names start with the prefix, in ordinal order.</summary>
    public IAsyncEnumerable<BlobEntry> ListAsync(string prefix, CancellationToken cancellationToken);
}

/// <param name="ETag">Version of a head; the same for every blob, since blobs never change.</param>
public sealed record Blob(ReadOnlyMemory<byte> Content, string ETag);

/// <param name="Created">When it was created or last replaced; the beginning of time where the store does not know.</param>
public sealed record BlobEntry(string Name, long Length, DateTimeOffset Created = default);
