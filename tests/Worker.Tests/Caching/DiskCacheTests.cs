using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Stores;
using Orchestrator.Worker.Caching;

namespace Orchestrator.Worker.Tests.Caching;

public sealed class DiskCacheTests : IDisposable
{
    private const int BlobBytes = 100;
    private const int NoSpace = 28;

    private readonly string _folder = Path.Combine(Directory.CreateTempSubdirectory("cache-").FullName, "cache");
    private readonly FaultyBlobStore _store;
    private readonly TensorBlobs _blobs;
    private Func<string, StoreFault> _fault = _ => StoreFault.None;

    public DiskCacheTests()
    {
        _store = new FaultyBlobStore(new MemoryBlobStore(), (_, operation, _) => _fault(operation));
        _blobs = new TensorBlobs(_store);
    }

    public void Dispose() => Directory.Delete(Path.GetDirectoryName(_folder)!, recursive: true);

    [Fact]
    public async Task A_blob_is_downloaded_once_however_many_slots_want_it()
    {
        using var cache = Open();
        var blob = await WriteAsync("local/x", 1);
        var before = _store.Operations;

        var files = await Task.WhenAll(Enumerable.Range(0, 8).Select(_ => cache.PinAsync(blob, _blobs, false, CancellationToken.None)));

        Assert.Equal(1, _store.Operations - before);
        Assert.Single(files.Select(file => file.Path).Distinct());
        Assert.Equal(Content(1), await File.ReadAllBytesAsync(files[0].Path));
        Assert.Equal((BlobBytes, BlobBytes), (cache.Bytes, cache.Downloaded));
    }

    [Fact]
    public async Task The_least_recently_used_file_makes_room_and_one_in_use_or_mapped_stays()
    {
        using var cache = Open(maxBytes: 2 * BlobBytes);
        var blobs = new List<BlobRef>();
        for (byte i = 0; i < 5; i++)
            blobs.Add(await WriteAsync($"local/{i}", i));
        using var used = await cache.PinAsync(blobs[0], _blobs, false, CancellationToken.None);
        (await cache.PinAsync(blobs[1], _blobs, true, CancellationToken.None)).Dispose();
        (await cache.PinAsync(blobs[2], _blobs, false, CancellationToken.None)).Dispose();
        (await cache.PinAsync(blobs[3], _blobs, false, CancellationToken.None)).Dispose();

        Assert.Equal(Sorted(blobs[0], blobs[1]), Files());

        cache.Unmap();
        (await cache.PinAsync(blobs[4], _blobs, false, CancellationToken.None)).Dispose();
        Assert.Equal(Sorted(blobs[0], blobs[4]), Files());
        Assert.Equal(2 * BlobBytes, cache.Bytes);
    }

    [Fact]
    public async Task A_digest_is_no_right_to_another_tenants_blob()
    {
        using var cache = Open();
        var theirs = await WriteAsync("theirs/x", 1);
        (await cache.PinAsync(theirs, _blobs, false, CancellationToken.None)).Dispose();

        await Assert.ThrowsAsync<DamagedBlobException>(() => cache.PinAsync(theirs with { Name = "ours/x" }, _blobs, false, CancellationToken.None));
    }

    [Theory]
    [InlineData("../x")]
    [InlineData("local/../x")]
    public async Task A_name_leads_nowhere_else(string name)
    {
        using var cache = Open();

        await Assert.ThrowsAsync<ArgumentException>(() => cache.PinAsync(new BlobRef(name, new string('a', 64), 1), _blobs, false, CancellationToken.None));
    }

    [Fact]
    public async Task A_digest_that_is_none_names_no_file()
    {
        using var cache = Open();

        await Assert.ThrowsAsync<DamagedBlobException>(() => cache.PinAsync(new BlobRef("local/x", "../../x", 1), _blobs, false, CancellationToken.None));
    }

    [Fact]
    public async Task A_tenants_files_go_when_none_of_its_units_is_here()
    {
        using var cache = Open();
        var (ours, theirs) = (await WriteAsync("ours/x", 1), await WriteAsync("theirs/x", 2));
        using var used = await cache.PinAsync(ours, _blobs, false, CancellationToken.None);
        (await cache.PinAsync(theirs, _blobs, true, CancellationToken.None)).Dispose();

        cache.KeepOnly(new HashSet<string> { "ours" });

        Assert.Equal([ours.Sha256], Files());
        Assert.Equal(BlobBytes, cache.Bytes);
    }

    [Fact]
    public async Task A_failed_download_leaves_nothing_and_is_not_remembered()
    {
        using var cache = Open();
        var blob = await WriteAsync("local/x", 1);
        _fault = operation => operation == "read" ? StoreFault.Fail : StoreFault.None;
        await Assert.ThrowsAsync<IOException>(() => cache.PinAsync(blob, _blobs, false, CancellationToken.None));
        Assert.Empty(Files());
        Assert.Equal(0, cache.Bytes);
        _fault = _ => StoreFault.None;

        using var file = await cache.PinAsync(blob, _blobs, false, CancellationToken.None);

        Assert.True(File.Exists(file.Path));
    }

    [Fact]
    public async Task A_damaged_blob_is_told_and_not_kept()
    {
        using var cache = Open();
        var blob = await WriteAsync("local/x", 1) with { Sha256 = new string('a', 64) };

        var damaged = await Assert.ThrowsAsync<DamagedBlobException>(() => cache.PinAsync(blob, _blobs, false, CancellationToken.None));

        Assert.Equal(blob, damaged.Blob);
        Assert.Empty(Files());
    }

    [Fact]
    public async Task A_file_that_changed_on_the_disk_is_downloaded_again()
    {
        using var cache = Open();
        var blob = await WriteAsync("local/x", 1);
        var inputs = new InputBlobs(memoryBytes: 0, cache);
        await inputs.ReadAsync(blob, _blobs, CancellationToken.None);
        await File.WriteAllBytesAsync(Path.Combine(_folder, "local", blob.Sha256), Content(9));

        Assert.Equal(Content(1), (await inputs.ReadAsync(blob, _blobs, CancellationToken.None)).ToArray());
        Assert.Equal(2 * BlobBytes, inputs.BytesRead);
    }

    [Fact]
    public async Task A_full_disk_is_emptied_of_what_is_not_in_use_and_then_told()
    {
        using var cache = Open();
        var (old, blob) = (await WriteAsync("local/old", 1), await WriteAsync("local/x", 2));
        (await cache.PinAsync(old, _blobs, false, CancellationToken.None)).Dispose();
        _fault = operation => operation == "read" ? throw new IOException("No space left on device") { HResult = NoSpace } : StoreFault.None;

        var full = await Assert.ThrowsAsync<DiskFullException>(() => cache.PinAsync(blob, _blobs, false, CancellationToken.None));

        Assert.Contains(_folder, full.Message, StringComparison.Ordinal);
        Assert.Empty(Files());
    }

    [Fact]
    public async Task What_does_not_fit_is_known_before_it_is_downloaded()
    {
        using var cache = Open(freeBytes: 30);
        var (here, other) = (await WriteAsync("local/here", 1), await WriteAsync("local/other", 2));
        using var used = await cache.PinAsync(here, _blobs, false, CancellationToken.None);

        Assert.Equal(0, cache.Lacking([here, here]));
        Assert.Equal(BlobBytes - 30, cache.Lacking([here, other, other]));
        used.Dispose();
        Assert.Equal(0, cache.Lacking([other]));
    }

    [Fact]
    public async Task Two_workers_do_not_share_a_folder_and_what_a_killed_one_left_goes()
    {
        var first = Open();
        (await first.PinAsync(await WriteAsync("local/x", 1), _blobs, false, CancellationToken.None)).Dispose();
        Assert.Equal("cache-not-usable", Assert.Throws<InputException>(() => Open()).Code);
        var left = Path.Combine(_folder, "local", "left");
        first.Dispose();
        Directory.CreateDirectory(Path.GetDirectoryName(left)!);
        await File.WriteAllTextAsync(left, "x");

        using var second = Open();

        Assert.False(File.Exists(left));
    }

    [Fact]
    public void A_folder_with_other_files_is_left_alone()
    {
        Directory.CreateDirectory(_folder);
        var mine = Path.Combine(_folder, "mine.txt");
        File.WriteAllText(mine, "x");

        Assert.Equal("cache-not-empty", Assert.Throws<InputException>(() => Open()).Code);
        Assert.True(File.Exists(mine));
    }

    private static byte[] Content(byte value) => [.. Enumerable.Repeat(value, BlobBytes)];

    private static string[] Sorted(params BlobRef[] blobs) => [.. blobs.Select(blob => blob.Sha256).Order(StringComparer.Ordinal)];

    private DiskCache Open(long maxBytes = long.MaxValue, long freeBytes = long.MaxValue) => DiskCache.Open(_folder, maxBytes, _ => freeBytes);

    private Task<BlobRef> WriteAsync(string name, byte value) => _blobs.WriteAsync(name, Content(value), CancellationToken.None);

    private string[] Files() => Directory.Exists(_folder)
        ? [.. Directory.EnumerateFiles(_folder, "*", SearchOption.AllDirectories).Select(Path.GetFileName).Where(name => name != ".claim").Order(StringComparer.Ordinal)!]
        : [];
}
