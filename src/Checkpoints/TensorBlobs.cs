using System.Collections.Concurrent;
using System.Security.Cryptography;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints;

/// <summary>Reading and writing the large blobs: digests made on the way in, verified on every way out. What a worker may do with a store.</summary>
public sealed class TensorBlobs(IBlobStore store)
{
    private const int CopyBuffer = 1 << 20;

    /// <summary>Blobs in files that had their digest, by name: such a file is verified once, not on every use.</summary>
    private readonly ConcurrentDictionary<string, string> _sound = new(StringComparer.Ordinal);

    /// <summary>States that attempts of a unit leave on their way.</summary>
    public UnitStates StatesOf(string tenant, WorkUnit unit) => new(store, tenant, unit.Key, unit.Generation ?? 0);

    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public async Task<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, CancellationToken cancellationToken)
    {
        var content = (await store.ReadAsync(blob.Name, cancellationToken))?.Content ?? throw Missing(blob);
        if (Convert.ToHexStringLower(SHA256.HashData(content.Span)) != blob.Sha256)
            throw Damaged(blob);
        return content;
    }

    /// <summary>Whether a blob is there, sound or not.</summary>
    public async Task<bool> ExistsAsync(BlobRef blob, CancellationToken cancellationToken)
    {
        await using var content = await store.OpenReadAsync(blob.Name, cancellationToken);
        return content is not null;
    }

    /// <summary>Deletes a blob; nothing happens where there is none.</summary>
    public Task DeleteAsync(BlobRef blob, CancellationToken cancellationToken) => store.DeleteAsync(blob.Name, cancellationToken);

    /// <summary>The file that a blob lies in, for a reader that maps it; verified when it is first asked for and not again.</summary>
    /// <returns>Null where the store keeps no files.</returns>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public async Task<string?> FindFileAsync(BlobRef blob, CancellationToken cancellationToken)
    {
        var path = store.FindFile(blob.Name);
        if (path is not null && _sound.GetValueOrDefault(blob.Name) != blob.Sha256)
            await CopyAsync(blob, Stream.Null, cancellationToken);
        return path;
    }

    /// <summary>Copies a blob out piece by piece. What was written to the target before the exception is not to be used.</summary>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public async Task CopyAsync(BlobRef blob, Stream target, CancellationToken cancellationToken)
    {
        await using var source = await store.OpenReadAsync(blob.Name, cancellationToken) ?? throw Missing(blob);
        await using var hashing = new HashingStream(source);
        await hashing.CopyToAsync(target, CopyBuffer, cancellationToken);
        if (hashing.Digest() != blob.Sha256)
        {
            _sound.TryRemove(blob.Name, out _);
            throw Damaged(blob);
        }

        _sound[blob.Name] = blob.Sha256;
    }

    /// <summary>Writes an output under a name that only this attempt uses.</summary>
    /// <exception cref="IOException">The store failed, or the name holds something else.</exception>
    public async Task<BlobRef> WriteAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        var blob = new BlobRef(name, Convert.ToHexStringLower(SHA256.HashData(content.Span)), content.Length);
        if (!await store.CreateAsync(name, content, cancellationToken))
            await ExpectAsync(blob, cancellationToken);
        return blob;
    }

    /// <summary>As the other overload, for content that comes piece by piece.</summary>
    public async Task<BlobRef> WriteAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        BlobRef? blob = null;
        var created = await store.CreateAsync(name, async (stream, token) =>
        {
            await using var hashing = new HashingStream(stream);
            await write(hashing, token);
            await hashing.FlushAsync(token);
            blob = new BlobRef(name, hashing.Digest(), hashing.Position);
        }, cancellationToken);
        if (!created)
            await ExpectAsync(blob!, cancellationToken);
        return blob!;
    }

    /// <summary>Puts a model or data file into the store under its digest. A damaged copy is replaced.</summary>
    /// <param name="open">Opens the source.</param>
    public Task<BlobRef> ImportAsync(string tenant, string sha256, long length, Func<Stream> open, CancellationToken cancellationToken) =>
        ImportAsync(tenant, sha256, length, async (stream, token) =>
        {
            await using var source = open();
            await source.CopyToAsync(stream, CopyBuffer, token);
        }, cancellationToken);

    /// <summary>As the other overload, for a source that writes itself.</summary>
    public async Task<BlobRef> ImportAsync(string tenant, string sha256, long length, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        var blob = new BlobRef(BlobNames.Input(tenant, sha256), sha256, length);
        if (await IsSoundAsync(blob, cancellationToken))
            return blob;
        await store.DeleteAsync(blob.Name, cancellationToken);
        var created = await store.CreateAsync(blob.Name, async (stream, token) =>
        {
            await using var hashing = new HashingStream(stream);
            await write(hashing, token);
            await hashing.FlushAsync(token);
            if (hashing.Digest() != sha256)
                throw new IOException($"The file changed while it was read: its SHA-256 was {sha256}.");
        }, cancellationToken);
        if (!created && !await IsSoundAsync(blob, cancellationToken))
            throw new IOException($"'{blob.Name}' could not be written: another process wrote something else there.");
        return blob;
    }

    private DamagedBlobException Missing(BlobRef blob)
    {
        store.NoteDamage(blob.Name);
        return new DamagedBlobException(blob, "it is missing") { IsMissing = true };
    }

    private DamagedBlobException Damaged(BlobRef blob)
    {
        store.NoteDamage(blob.Name);
        return new DamagedBlobException(blob, "its SHA-256 is not the committed one");
    }

    /// <summary>A conflict under a name of our own means that an earlier try of ours arrived after all.</summary>
    private async Task ExpectAsync(BlobRef blob, CancellationToken cancellationToken)
    {
        if (!await IsSoundAsync(blob, cancellationToken))
            throw new IOException($"'{blob.Name}' exists and holds something else.");
    }

    private async Task<bool> IsSoundAsync(BlobRef blob, CancellationToken cancellationToken)
    {
        try
        {
            await CopyAsync(blob, Stream.Null, cancellationToken);
            return true;
        }
        catch (DamagedBlobException)
        {
            return false;
        }
    }
}
