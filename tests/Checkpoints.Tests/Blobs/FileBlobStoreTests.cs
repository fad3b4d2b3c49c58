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
    public async Task Old_versions_of_a_head_are_cleaned_up_once_they_are_old()
    {
        const string Head = "local/x.head";
        const int Versions = 60;
        const int MostKept = 17;
        var clock = new ManualClock(DateTimeOffset.UtcNow);
        var store = FileBlobStore.Open(_folder, clock);
        var current = await ReplaceAsync(store, Head, Versions, null);
        Assert.Equal(Versions, VersionsOf("x.head").Length);
        clock.Advance(TimeSpan.FromHours(2));
        current = await ReplaceAsync(store, Head, 1, current);

        Assert.Equal(MostKept - 1, VersionsOf("x.head").Length);
        Assert.Equal([1], (await _store.ReadAsync(Head, CancellationToken.None))!.Content.ToArray());
        Assert.NotNull(await ReplaceAsync(_other, Head, 1, current));
    }

    /// <summary>Between its link and its last look others may have gone on from it by any number of versions.</summary>
    [Fact]
    public async Task A_replacement_that_many_others_went_on_from_is_none_that_failed()
    {
        const string Head = "local/x.head";
        const int Others = 40;
        var first = await ReplaceAsync(_store, Head, 1, null);
        string? last = null;
        var slow = FileBlobStore.Open(_folder, TimeProvider.System, new PausingStorage(() => last = ReplaceAsync(_other, Head, Others, "2").GetAwaiter().GetResult()));

        var replaced = await slow.ReplaceAsync(Head, new byte[] { 7 }, first, CancellationToken.None);

        Assert.NotNull(last);
        Assert.NotNull(replaced);
        Assert.Equal(last, (await _store.ReadAsync(Head, CancellationToken.None))!.ETag);
    }

    [Fact]
    public async Task A_writer_that_slept_until_its_number_was_cleaned_up_is_refused_and_nobody_reads_its_version()
    {
        const string Head = "local/x.head";
        const int Others = 40;
        var clock = new ManualClock(DateTimeOffset.UtcNow);
        var later = FileBlobStore.Open(_folder, clock);
        var first = await ReplaceAsync(_store, Head, 1, null);
        var slept = false;
        var slow = FileBlobStore.Open(_folder, clock, new PausingStorage(
            () =>
            {
                if (slept)
                    return;
                slept = true;
                var current = ReplaceAsync(_other, Head, Others, first).GetAwaiter().GetResult();
                clock.Advance(TimeSpan.FromHours(2));
                ReplaceAsync(later, Head, 1, current).GetAwaiter().GetResult();
            },
            StorageStep.CreateFile));

        Assert.Null(await slow.ReplaceAsync(Head, new byte[] { 7 }, first, CancellationToken.None));

        Assert.Equal([1], (await _store.ReadAsync(Head, CancellationToken.None))!.Content.ToArray());
    }

    private static async Task<string?> ReplaceAsync(FileBlobStore store, string head, int times, string? etag)
    {
        for (var i = 0; i < times; i++)
            etag = await store.ReplaceAsync(head, new byte[] { 1 }, etag, CancellationToken.None) ?? throw new InvalidOperationException("Another was faster.");
        return etag;
    }

    private string[] VersionsOf(string head) => Directory.GetFiles(Path.Combine(_folder, "local", head));

    /// <summary>Does something before a step; by default between the link of a file and its end.</summary>
    private sealed class PausingStorage(Action pause, StorageStep at = StorageStep.Delete) : StableStorage
    {
        public override void Before(StorageStep step, string path)
        {
            if (step == at)
                pause();
        }
    }
}
