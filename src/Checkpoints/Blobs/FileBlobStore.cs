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
    private readonly StableStorage _storage;
    private readonly ConcurrentDictionary<string, bool> _folders = new(StringComparer.Ordinal);

    private FileBlobStore(string root, TimeProvider clock, StableStorage storage)
    {
        _root = root;
        _storage = storage;
        _temporary = Path.Combine(root, TemporaryFolder);
        _heads = new FileHeads(this, clock);
    }

    /// <summary>Opens the store, creating its folder where there is none.</summary>
    /// <exception cref="InputException"><c>store-not-writable</c>.</exception>
    public static FileBlobStore Open(string folder, TimeProvider clock) => Open(folder, clock, new StableStorage());

    /// <summary>Opens a store that is there, to look at or clean up: needs no right to write before something is written.</summary>
    public static FileBlobStore OpenExisting(string folder) => new(Path.GetFullPath(folder), TimeProvider.System, new StableStorage());

    /// <param name="storage">What is done to files, step by step; tests stop it between two steps.</param>
    internal static FileBlobStore Open(string folder, TimeProvider clock, StableStorage storage)
    {
        var root = Path.GetFullPath(folder);
        CheckWritable(root);
        try
        {
            var store = new FileBlobStore(root, clock, storage);
            store.EnsureFolder(store._temporary);
            FileLeftovers.Delete(store._temporary, clock.GetUtcNow() - FileLeftovers.AbandonedAfter, dryRun: false);
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
            return await ToldAsync(PathOf(name), path => FileHeads.ReadAsync(path, cancellationToken));
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
        catch (Exception cause) when (StorageFailure.Of(cause, PathOf(name)) is { } failure)
        {
            throw failure;
        }
    }

    public string? FindFile(string name)
    {
        BlobName.Check(name, head: false);
        return File.Exists(PathOf(name)) ? PathOf(name) : null;
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
        return ToldAsync(PathOf(name), path => _heads.ReplaceAsync(path, content, etag, cancellationToken));
    }

    public Task DeleteAsync(string name, CancellationToken cancellationToken)
    {
        BlobName.Check(name);
        cancellationToken.ThrowIfCancellationRequested();
        var path = PathOf(name);
        if (BlobName.IsHead(name))
        {
            DeleteHead(path);
        }
        else if (Directory.Exists(Path.GetDirectoryName(path)))
        {
            DeleteFile(path);
        }

        return Task.CompletedTask;
    }

    public async IAsyncEnumerable<BlobEntry> ListAsync(string prefix, [EnumeratorCancellation] CancellationToken cancellationToken)
    {
        // Whole segments of the prefix name the folder to walk; the rest is compared.
        var above = prefix[..(prefix.LastIndexOf('/') + 1)];
        var folder = Path.Combine(_root, above);
        using var entries = FileListing.Walk(folder, above, prefix).GetEnumerator();
        while (await ToldAsync(folder, _ => Task.FromResult(entries.MoveNext())))
        {
            cancellationToken.ThrowIfCancellationRequested();
            yield return entries.Current;
        }
    }

    /// <summary>Deletes unfinished files of processes that were killed.</summary>
    public (int Count, long Bytes) DeleteLeftovers(DateTimeOffset before, bool dryRun) => FileLeftovers.Delete(_temporary, before, dryRun);

    internal async Task<bool> CreateFileAsync(string path, Func<Stream, CancellationToken, Task> write, CancellationToken cancellationToken)
    {
        cancellationToken.ThrowIfCancellationRequested();
        var temporary = Path.Combine(_temporary, Guid.NewGuid().ToString("n"));
        try
        {
            _storage.Before(StorageStep.CreateFile, temporary);
            await using (var stream = new FileStream(temporary, FileMode.CreateNew, FileAccess.Write, FileShare.None, BufferSize, FileOptions.Asynchronous))
            {
                _storage.Before(StorageStep.WriteFile, temporary);
                await write(stream, cancellationToken);
                _storage.FlushFile(stream, temporary);
            }

            var folder = Path.GetDirectoryName(path)!;
            EnsureFolder(folder);
            if (!_storage.Publish(temporary, path))
                return false;
            _storage.FlushFolder(folder);
            return true;
        }
        catch (Exception cause)
        {
            Discard(temporary);
            if (StorageFailure.Of(cause, path) is { } failure)
                throw failure;
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
        catch (Exception cause) when (StorageFailure.Of(cause, path) is { } failure)
        {
            throw failure;
        }
    }

    /// <summary>Runs something with a path; what the file system says comes with that path in words.</summary>
    private static async Task<T> ToldAsync<T>(string path, Func<string, Task<T>> run)
    {
        try
        {
            return await run(path);
        }
        catch (Exception cause) when (StorageFailure.Of(cause, path) is { } failure)
        {
            throw failure;
        }
    }

    private void DeleteHead(string path)
    {
        try
        {
            FileHeads.Delete(path, _storage);
        }
        catch (Exception cause) when (StorageFailure.Of(cause, path) is { } failure)
        {
            throw failure;
        }
    }

    private void DeleteFile(string path)
    {
        try
        {
            _storage.Delete(path);
            _storage.FlushFolder(Path.GetDirectoryName(path)!);
        }
        catch (Exception cause) when (StorageFailure.Of(cause, path) is { } failure)
        {
            throw failure;
        }
    }

    /// <summary>The write has failed already; what cannot be cleaned up is a leftover.</summary>
    private void Discard(string temporary)
    {
        try
        {
            _storage.Delete(temporary);
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            // Old leftovers go when the store is opened.
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
            _storage.Before(StorageStep.CreateFolder, folder);
            Directory.CreateDirectory(folder);
            _storage.FlushFolder(parent);
        }

        _folders[folder] = true;
    }

    private string PathOf(string name) => Path.Combine(_root, name);

    private static InputException NotWritable(string folder, string cause, Exception? inner) => new(
        "store-not-writable", folder, $"The store cannot be written: {cause}.", "Choose another folder with --store, or make this one writable.", inner);
}
