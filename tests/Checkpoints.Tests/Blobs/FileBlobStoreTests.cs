using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Checkpoints.Tests.Blobs;

public sealed class FileBlobStoreTests : BlobStoreContract, IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"orchestrator-store-{Guid.NewGuid():n}");
    private readonly FileBlobStore _store;
    private readonly FileBlobStore _other;

    public FileBlobStoreTests()
    {
        _store = FileBlobStore.Open(_folder, TimeProvider.System);
        _other = FileBlobStore.Open(_folder, TimeProvider.System);
    }

    protected override IBlobStore Store => _store;

    protected override IBlobStore Other => _other;

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task What_was_created_outlives_the_process()
    {
        await _store.CreateAsync("local/x", new byte[] { 1, 2 }, CancellationToken.None);
        await _store.ReplaceAsync("local/y.head", new byte[] { 3 }, null, CancellationToken.None);

        var later = FileBlobStore.Open(_folder, TimeProvider.System);

        Assert.Equal([1, 2], (await later.ReadAsync("local/x", CancellationToken.None))!.Content.ToArray());
        Assert.Equal([3], (await later.ReadAsync("local/y.head", CancellationToken.None))!.Content.ToArray());
    }

    [Fact]
    public void A_path_that_is_a_file_is_refused_and_left_alone()
    {
        var file = Path.Combine(_folder, "file");
        File.WriteAllText(file, "mine");

        foreach (var path in new[] { file, Path.Combine(file, "below") })
        {
            Assert.Equal("store-not-writable", Assert.Throws<InputException>(() => FileBlobStore.Open(path, TimeProvider.System)).Code);
            Assert.Equal("store-not-writable", Assert.Throws<InputException>(() => FileBlobStore.CheckWritable(path)).Code);
        }

        Assert.Equal("mine", File.ReadAllText(file));
    }

    [Fact]
    public void A_check_for_writability_leaves_nothing_behind()
    {
        var parent = Path.Combine(_folder, "parent");
        Directory.CreateDirectory(parent);

        FileBlobStore.CheckWritable(Path.Combine(parent, "a", "b"));

        Assert.Empty(Directory.EnumerateFileSystemEntries(parent));
    }

    [Fact]
    public void Unfinished_files_of_killed_processes_go_when_they_are_old()
    {
        var leftover = Path.Combine(_folder, ".tmp", "leftover");
        File.WriteAllText(leftover, "half");

        FileBlobStore.Open(_folder, new ManualClock(DateTimeOffset.UtcNow));
        Assert.True(File.Exists(leftover));
        FileBlobStore.Open(_folder, new ManualClock(DateTimeOffset.UtcNow + TimeSpan.FromDays(2)));
        Assert.False(File.Exists(leftover));
    }

    [Fact]
    public async Task Unfinished_files_are_no_blobs()
    {
        File.WriteAllText(Path.Combine(_folder, ".tmp", "leftover"), "half");

        Assert.Empty(await _store.NamesAsync(""));
    }

    [Fact]
    public async Task Old_versions_of_a_head_are_cleaned_up_and_a_writer_who_slept_through_it_is_refused()
    {
        const string Head = "local/x.head";
        const int Versions = 60;
        const int MostKept = 20;
        var stale = await _store.ReplaceAsync(Head, new byte[] { 0 }, null, CancellationToken.None);
        var current = stale;
        for (byte i = 1; i < Versions; i++)
            current = await _other.ReplaceAsync(Head, new[] { i }, current, CancellationToken.None);

        Assert.InRange(Directory.GetFiles(Path.Combine(_folder, "local", "x.head")).Length, 1, MostKept);
        Assert.Null(await _store.ReplaceAsync(Head, new byte[] { 255 }, stale, CancellationToken.None));
        Assert.Equal([Versions - 1], (await _store.ReadAsync(Head, CancellationToken.None))!.Content.ToArray());
    }
}
