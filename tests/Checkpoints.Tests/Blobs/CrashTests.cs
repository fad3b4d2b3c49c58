using Orchestrator.Checkpoints.Blobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Checkpoints.Tests.Blobs;

/// <summary>A file store whose process dies, or whose disk fails, between any two steps: all of a write or nothing is there, and everything that was there before.</summary>
public sealed class CrashTests : IDisposable
{
    private static readonly byte[] s_old = [1, 2, 3];
    private static readonly byte[] s_new = [4, 5, 6, 7];

    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"orchestrator-crash-{Guid.NewGuid():n}");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    public static TheoryData<string> Writes => new() { "create", "stream", "replace", "delete", "delete-head" };

    [Theory]
    [MemberData(nameof(Writes))]
    public async Task A_crash_between_any_two_steps_leaves_all_or_nothing(string write)
    {
        for (var step = 0; ; step++)
        {
            var folder = Path.Combine(_folder, $"{write}-{step}");
            await PrepareAsync(folder);
            var crash = new CrashingStorage(step, () => new SimulatedCrash());
            var died = false;
            try
            {
                await WriteAsync(FileBlobStore.Open(folder, TimeProvider.System, crash), write);
            }
            catch (SimulatedCrash)
            {
                died = true;
            }

            var after = FileBlobStore.Open(folder, new ManualClock(DateTimeOffset.UtcNow + TimeSpan.FromDays(2)));
            await ExpectAllOrNothingAsync(after, write);
            Assert.Empty(Directory.GetFiles(Path.Combine(folder, ".tmp")));
            // Whoever comes next can finish what was begun.
            await WriteAsync(after, write);
            await ExpectDoneAsync(after, write);
            if (!died)
            {
                Assert.True(step > 1, "The storage was never asked.");
                return;
            }
        }
    }

    public static TheoryData<int, string> Failures => new()
    {
        { 28, "no space left" },
        { 122, "quota" },
        { 30, "read-only" },
        { 13, "permission is denied" },
        { 24, "too many files are open" },
        { 5, "Check the disk" },
    };

    [Theory]
    [MemberData(nameof(Failures))]
    public async Task A_disk_that_fails_at_any_step_is_told_with_path_cause_and_remedy_and_loses_nothing(int code, string told)
    {
        var write = "create";
        for (var step = 0; ; step++)
        {
            var folder = Path.Combine(_folder, $"{code}-{step}");
            await PrepareAsync(folder);
            var failing = new CrashingStorage(step, () => new IOException("the system's words", code));
            StoreException? failure = null;
            try
            {
                await WriteAsync(FileBlobStore.Open(folder, TimeProvider.System, failing), write);
            }
            catch (StoreException thrown)
            {
                failure = thrown;
            }

            var after = FileBlobStore.Open(folder, TimeProvider.System);
            await ExpectAllOrNothingAsync(after, write);
            await WriteAsync(after, write);
            await ExpectDoneAsync(after, write);
            if (failure is null)
            {
                Assert.True(step > 1, "The storage was never asked.");
                return;
            }

            Assert.Contains(told, failure.Message, StringComparison.Ordinal);
            Assert.Contains(folder, failure.Message, StringComparison.Ordinal);
            Assert.Contains("run the same command again", failure.Message, StringComparison.Ordinal);
        }
    }

    [Fact]
    public async Task A_file_is_flushed_before_it_gets_its_name_and_the_folder_after_and_new_folders_above_too()
    {
        await PrepareAsync(_folder);
        var storage = new CrashingStorage(int.MaxValue, () => new SimulatedCrash());
        var store = FileBlobStore.Open(_folder, TimeProvider.System, storage);
        storage.Steps.Clear();

        await store.CreateAsync("local/new/deep/x", s_new, CancellationToken.None);

        var local = Path.Combine(_folder, "local");
        Assert.Equal(
        [
            (StorageStep.CreateFile, ""), (StorageStep.WriteFile, ""), (StorageStep.FlushFile, ""),
            (StorageStep.CreateFolder, Path.Combine(local, "new")), (StorageStep.FlushFolder, local),
            (StorageStep.CreateFolder, Path.Combine(local, "new", "deep")), (StorageStep.FlushFolder, Path.Combine(local, "new")),
            (StorageStep.Link, Path.Combine(local, "new", "deep", "x")), (StorageStep.Delete, ""), (StorageStep.FlushFolder, Path.Combine(local, "new", "deep")),
        ],
        storage.Steps.Select(s => (s.Step, s.Path.Contains(".tmp", StringComparison.Ordinal) ? "" : s.Path)));
    }

    private static async Task PrepareAsync(string folder)
    {
        var store = FileBlobStore.Open(folder, TimeProvider.System);
        await store.CreateAsync("local/old", s_old, CancellationToken.None);
        await store.ReplaceAsync("local/h.head", s_old, null, CancellationToken.None);
    }

    private static async Task WriteAsync(FileBlobStore store, string write)
    {
        switch (write)
        {
            case "create":
                await store.CreateAsync("local/a/b/new", s_new, CancellationToken.None);
                break;
            case "stream":
                await store.CreateAsync("local/a/b/new", async (stream, token) =>
                {
                    await stream.WriteAsync(s_new.AsMemory(0, 2), token);
                    await stream.WriteAsync(s_new.AsMemory(2), token);
                }, CancellationToken.None);
                break;
            case "replace":
                if (await store.ReadAsync("local/h.head", CancellationToken.None) is { } head && head.Content.Length == s_old.Length)
                    await store.ReplaceAsync("local/h.head", s_new, head.ETag, CancellationToken.None);
                break;
            case "delete":
                await store.DeleteAsync("local/old", CancellationToken.None);
                break;
            case "delete-head":
                await store.DeleteAsync("local/h.head", CancellationToken.None);
                break;
        }
    }

    private static async Task ExpectAllOrNothingAsync(FileBlobStore store, string write)
    {
        var (old, head, created) = await ReadAsync(store);
        Assert.True(created is null || created.SequenceEqual(s_new));
        Assert.True(write == "delete" ? old is null || old.SequenceEqual(s_old) : old!.SequenceEqual(s_old));
        Assert.True(head is null ? write == "delete-head" : head.SequenceEqual(s_old) || (write == "replace" && head.SequenceEqual(s_new)));
    }

    private static async Task ExpectDoneAsync(FileBlobStore store, string write)
    {
        var (old, head, created) = await ReadAsync(store);
        Assert.Equal(write is "create" or "stream", created is not null);
        Assert.Equal(write == "delete", old is null);
        Assert.Equal(write == "delete-head", head is null);
        Assert.Equal(write == "replace", head is not null && head.SequenceEqual(s_new));
    }

    private static async Task<(byte[]? Old, byte[]? Head, byte[]? Created)> ReadAsync(FileBlobStore store) => (
        (await store.ReadAsync("local/old", CancellationToken.None))?.Content.ToArray(),
        (await store.ReadAsync("local/h.head", CancellationToken.None))?.Content.ToArray(),
        (await store.ReadAsync("local/a/b/new", CancellationToken.None))?.Content.ToArray());

    private sealed class SimulatedCrash : Exception;

    /// <summary>Fails at one step and, as a dead process does, at all after it.</summary>
    private sealed class CrashingStorage(int at, Func<Exception> failure) : StableStorage
    {
        private int _step;

        public List<(StorageStep Step, string Path)> Steps { get; } = [];

        public override void Before(StorageStep step, string path)
        {
            Steps.Add((step, path));
            if (_step++ >= at)
                throw failure();
        }
    }
}
