using System.Security.Cryptography;
using Orchestrator.Checkpoints;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Caching;

/// <summary>Input blobs of a worker's units: from memory, else from files of this machine, else from the store.</summary>
/// <param name="disk">Null where the store is as near as a disk: then only blobs that are mapped become files, and only where the store keeps none.</param>
internal sealed class InputBlobs(long memoryBytes, DiskCache? disk)
{
    private readonly BlobCache _memory = new(memoryBytes);
    private readonly DiskCache _files = disk ?? DiskCache.Temporary();
    private long _read;

    /// <summary>Bytes that came from the store.</summary>
    public long BytesRead => Interlocked.Read(ref _read) + _files.Downloaded;

    /// <param name="source">The store as the unit sees it.</param>
    /// <exception cref="DamagedBlobException">Missing, or not what its digest says.</exception>
    public Task<ReadOnlyMemory<byte>> ReadAsync(BlobRef blob, TensorBlobs source, CancellationToken cancellationToken) =>
        _memory.ReadAsync(blob, wanted => disk is null ? ReadOnceAsync(wanted, source, CancellationToken.None) : ReadThroughAsync(wanted, source), cancellationToken);

    /// <summary>As <see cref="ReadAsync"/>, and nothing is kept.</summary>
    public async Task<ReadOnlyMemory<byte>> ReadOnceAsync(BlobRef blob, TensorBlobs source, CancellationToken cancellationToken)
    {
        var content = await source.ReadAsync(blob, cancellationToken);
        Interlocked.Add(ref _read, content.Length);
        return content;
    }

    /// <summary>The file that a blob lies in.</summary>
    /// <returns>With what keeps it there; null where the store itself does.</returns>
    public async Task<(string Path, IDisposable? Pin)> FileAsync(BlobRef blob, TensorBlobs source)
    {
        if (await source.FindFileAsync(blob, CancellationToken.None) is { } own)
            return (own, null);
        var file = await _files.PinAsync(blob, source, isMapped: true, CancellationToken.None);
        return (file.Path, file);
    }

    /// <summary>Bytes of a unit's inputs that this machine has no room for.</summary>
    public long Lacking(WorkUnit unit) => disk?.Lacking(unit.Inputs.Select(input => input.Blob)) ?? 0;

    /// <summary>Forgets what belongs to other tenants.</summary>
    public void KeepOnly(IReadOnlySet<string> tenants)
    {
        _memory.KeepOnly(tenants);
        _files.KeepOnly(tenants);
    }

    /// <summary>Keeps nothing in memory; models that are not in use have been let go of.</summary>
    public void Reclaim()
    {
        _memory.Clear();
        _files.Unmap();
    }

    /// <summary>Nothing is read any more.</summary>
    public void Close()
    {
        // One that was handed in belongs to whoever opened it.
        if (disk is null)
            _files.Dispose();
    }

    /// <summary>From the file of the blob, verified again: disks forget, too.</summary>
    private async Task<ReadOnlyMemory<byte>> ReadThroughAsync(BlobRef blob, TensorBlobs source)
    {
        for (var again = false; ; again = true)
        {
            using var file = await _files.PinAsync(blob, source, isMapped: false, CancellationToken.None);
            var content = await File.ReadAllBytesAsync(file.Path, CancellationToken.None);
            if (Convert.ToHexStringLower(SHA256.HashData(content)) == blob.Sha256)
                return content;
            _files.Discard(blob);
            if (again)
                throw new IOException($"'{file.Path}' does not keep what is written to it. Check the disk.");
        }
    }
}
