using System.Collections.Concurrent;
using System.Runtime.CompilerServices;
using Orchestrator.Jobs;

namespace Orchestrator.Checkpoints.Blobs;

/// <summary>
/// A store in a folder. A blob is written beside, flushed, then linked to its name, so it is there whole or not at all, whoever is killed
/// when; the link fails where the name is taken. A head is a folder of numbered versions, each created the same way: creating version
/// n + 1 is the compare-and-swap. No lock is ever held, so any number of processes may use the folder and none can leave it locked.
/// </summary>
public sealed class FileBlobStore : IBlobStore
{
    private const string TemporaryFolder = ".tmp";
    private const string BlobETag = "1";
    private const int BufferSize = 1 << 16;

    private readonly string _root;
    private readonly string _temporary;
    private readonly FileHeads _heads;
    private readonly ConcurrentDictionary<string, bool> _folders = new(StringComparer.Ordinal);

    private FileBlobStore(string root)
    {
        _root = root;
        _temporary = Path.Combine(root, TemporaryFolder);
        _heads = new FileHeads(this);
    }

    /// <summary>Opens the store, creating its folder where there is none.</summary>
    /// <exception cref="InputException"><c>store-not-writable</c>.</exception>
    public static FileBlobStore Open(string folder, TimeProvider clock)
    {
        var root = Path.GetFullPath(folder);
        CheckWritable(root);
        try
        {
            var store = new FileBlobStore(root);
            store.EnsureFolder(store._temporary);
            FileLeftovers.Delete(store._temporary, clock);
            return store;
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw NotWritable(root, cause.Message, cause);
        }
    }

    /// <summary>Finds out whether a store could be opened, and leaves nothing behind.</summary>
    /// <exception cref="InputException"><c>store-not-writable</c>.</exception>
    public static void CheckWritable(string folder)
    {
        var existing = Path.GetFullPath(folder);
        while (!Path.Exists(existing))
            existing = Path.GetDirectoryName(existing) ?? throw NotWritable(folder, "no folder above it exists", null);
        if (File.Exists(existing))
            throw NotWritable(folder, $"'{existing}' is a file", null);
        try
        {
            var probe = Path.Combine(existing, $".probe-{Guid.NewGuid():n}");
            using (File.Create(probe, 1, FileOptions.DeleteOnClose))
            {
            }
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw NotWritable(folder, cause.Message, cause);
        }
    }

    public async Task<Blob?> ReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        if (BlobName.IsHead(name))
            return await FileHeads.ReadAsync(PathOf(name), cancellationToken);
        return await ReadFileAsync(PathOf(name), cancellationToken) is { } content ? new Blob(content, BlobETag) : null;
    }

    public Task<Stream?> OpenReadAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        try
        {
            return Task.FromResult<Stream?>(new FileStream(PathOf(name), FileMode.Open, FileAccess.Read, FileShare.ReadWrite | FileShare.Delete, BufferSize, FileOptions.SequentialScan));
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return Task.FromResult<Stream?>(null);
        }
    }

    public Task<bool> CreateAsync(string name, ReadOnlyMemory<byte> content, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return CreateFileAsync(PathOf(name), (stream, token) => stream.WriteAsync(content, token).AsTask(), cancellationToken);
    }

    public Task<bool> CreateAsync(string name, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: false);
        return CreateFileAsync(PathOf(name), write, cancellationToken);
    }

    public Task<string?> ReplaceAsync(string name, ReadOnlyMemory<byte> content, string? etag, CancellationToken cancellationToken)
    {
        BlobName.Check(name, head: true);
        return _heads.ReplaceAsync(PathOf(name), content, etag, cancellationToken);
    }

    public Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(name);
        if (BlobName.IsHead(name))
        {
            FileHeads.Delete(path);
        }
        else if (Directory.Exists(Path.GetDirectoryName(path)))
        {
            File.Delete(path);
            StableStorage.FlushFolder(Path.GetDirectoryName(path)!);
        }

        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Whole segments of the prefix name the folder to walk; the rest is compared.
        var folder = Path.Combine(_root, prefix[..(prefix.LastIndexOf('/') + 1)]);
        var found = new List<BlobEntry>();
        if (Directory.Exists(folder))
            Collect(new DirectoryInfo(folder), prefix, found, cancellationToken);
        found.Sort((a, b) => string.CompareOrdinal(a.Name, b.Name));
        foreach (var entry in found)
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return entry;
        }

        await Task.CompletedTask;
    }

    internal async Task<bool> CreateFileAsync(string path, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var temporary = Path.Combine(_temporary, Guid.NewGuid().ToString("n"));
        try
        {
            await using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, BufferSize, FileOptions.Asynchronous))
            {
                await write(stream, cancellationToken);
                stream.Flush(flushToDisk: true);
            }

            var folder = Path.GetDirectoryName(path)!;
            EnsureFolder(folder);
            if (!StableStorage.Publish(temporary, path))
                return false;
            StableStorage.FlushFolder(folder);
            return true;
        }
        catch
        {
            File.Delete(temporary);
            throw;
        }
    }

    internal static async Task<byte[]?> ReadFileAsync(string path, CancellationToken cancellationToken)
    {
        try
        {
            return await File.ReadAllBytesAsync(path, cancellationToken);
        }
        catch (Exception absent) when (absent is FileNotFoundException or DirectoryNotFoundException)
        {
            return null;
        }
    }

    private void Collect(DirectoryInfo folder, string prefix, List<BlobEntry> found, CancellationToken cancellationToken)
    {
        foreach (var item in folder.EnumerateFileSystemInfos())
        {
            cancellationToken.ThrowIfCancellationRequested();
            var name = Path.GetRelativePath(_root, item.FullName).Replace(Path.DirectorySeparatorChar, '/');
            if (item.Name[0] == '.')
                continue;
            var matches = name.StartsWith(prefix, StringComparison.Ordinal);
            if (item is FileInfo file)
            {
                if (matches)
                    found.Add(new BlobEntry(name, file.Length));
            }
            else if (BlobName.IsHead(name))
            {
                if (matches && FileHeads.Length(item.FullName) is { } length)
                    found.Add(new BlobEntry(name, length));
            }
            else if (matches || prefix.StartsWith(name, StringComparison.Ordinal))
            {
                Collect((DirectoryInfo)item, prefix, found, cancellationToken);
            }
        }
    }

    /// <summary>Creates a folder and makes it and every new folder above it durable.</summary>
    private void EnsureFolder(string folder)
    {
        if (_folders.ContainsKey(folder))
            return;
        if (!Directory.Exists(folder))
        {
            var parent = Path.GetDirectoryName(folder)!;
            EnsureFolder(parent);
            Directory.CreateDirectory(folder);
            StableStorage.FlushFolder(parent);
        }

        _folders[folder] = true;
    }

    private string PathOf(string name) => Path.Combine(_root, name);

    private static InputException NotWritable(string folder, string cause, Exception? inner) => new(
        "store-not-writable", folder, $"The store cannot be written: {cause}.", "Choose another folder with --store, or make this one writable.", inner);
}
