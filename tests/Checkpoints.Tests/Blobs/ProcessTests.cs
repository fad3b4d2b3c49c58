using System.Globalization;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Checkpoints.Tests.Blobs;

/// <summary>Real processes on one file store at once, some of them killed in the middle of a write.</summary>
public sealed class ProcessTests : IDisposable
{
    private readonly string _folder = Path.Combine(Path.GetTempPath(), $"orchestrator-processes-{Guid.NewGuid():n}");

    public void Dispose() => Directory.Delete(_folder, recursive: true);

    [Fact]
    public async Task Of_processes_that_create_the_same_names_at_once_each_name_has_one_winner_and_is_whole()
    {
        const int Names = 60;
        var writers = await StartAsync(4, "create", Names);
        var won = new Dictionary<string, string>();
        foreach (var (writer, lines) in await RaceAsync(writers))
        {
            foreach (var name in lines)
                Assert.True(won.TryAdd(name, writer), $"'{name}' was won twice.");
        }

        var store = FileBlobStore.Open(_folder, TimeProvider.System);
        Assert.Equal(won.Keys.Order(StringComparer.Ordinal), await store.NamesAsync(""));
        Assert.Equal(Names, won.Count);
        foreach (var (name, writer) in won)
            Assert.Equal(writer, StoreProcess.WriterOf((await store.ReadAsync(name, CancellationToken.None))!.Content.Span));
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, ".tmp")));
    }

    [Fact]
    public async Task Of_processes_that_count_on_one_head_none_loses_an_increment()
    {
        const int Each = 60;
        var writers = await StartAsync(4, "count", Each);
        var told = (await RaceAsync(writers)).SelectMany(w => w.Lines).Select(line => int.Parse(line, CultureInfo.InvariantCulture));

        Assert.Equal(Enumerable.Range(1, writers.Count * Each), told.Order());
        var head = await FileBlobStore.Open(_folder, TimeProvider.System).ReadAsync(StoreProcess.Head, CancellationToken.None);
        Assert.Equal(writers.Count * Each, BitConverter.ToInt32(head!.Content.Span));
    }

    [Fact]
    public async Task A_listing_while_processes_write_has_all_that_was_told_before_and_nothing_that_is_not_whole()
    {
        const int Names = 100;
        var store = FileBlobStore.Open(_folder, TimeProvider.System);
        var writers = await StartAsync(2, "write", Names);
        var told = new HashSet<string>(StringComparer.Ordinal);
        foreach (var (_, process) in writers)
            process.Go();
        foreach (var (_, process) in writers)
        {
            while (await process.Output.ReadLineAsync() is { } name)
            {
                told.Add(name);
                if (told.Count % 10 == 0)
                    await ExpectListedAsync(store, told);
            }

            Assert.Empty(await process.EndAsync());
            process.Dispose();
        }

        Assert.Equal(told.Order(StringComparer.Ordinal), await store.NamesAsync(""));
    }

    [Fact]
    public async Task A_process_killed_in_the_middle_of_a_write_leaves_whole_blobs_only_and_others_go_on()
    {
        const int Kills = 8;
        for (var kill = 0; kill < Kills; kill++)
        {
            using var process = await StoreProcess.StartAsync("write", _folder, $"w{kill}", "100000");
            process.Go();
            var told = new List<string>();
            while (told.Count < kill && await process.Output.ReadLineAsync() is { } name)
                told.Add(name);
            told.AddRange(await process.KillAsync());

            var store = FileBlobStore.Open(_folder, TimeProvider.System);
            var names = await store.NamesAsync($"local/w{kill}/");
            Assert.Empty(told.Except(names));
            // Killed between the creation and telling of it.
            Assert.InRange(names.Count, told.Count, told.Count + 1);
            foreach (var name in names)
                Assert.Equal($"w{kill}", StoreProcess.WriterOf((await store.ReadAsync(name, CancellationToken.None))!.Content.Span));
            Assert.True(await store.CreateAsync($"local/w{kill}/own-{told.Count + 1:d6}", new byte[] { 1 }, CancellationToken.None));
        }

        using var halted = await StoreProcess.StartAsync("halt", _folder, "halted", "1");
        halted.Go();
        Assert.Equal(StoreProcess.Half, await halted.Output.ReadLineAsync());
        await halted.KillAsync();
        Assert.NotEmpty(Directory.GetFiles(Path.Combine(_folder, ".tmp")));
        Assert.Empty(await FileBlobStore.Open(_folder, TimeProvider.System).NamesAsync("local/halted/"));
        FileBlobStore.Open(_folder, new ManualClock(DateTimeOffset.UtcNow + TimeSpan.FromDays(2)));
        Assert.Empty(Directory.GetFiles(Path.Combine(_folder, ".tmp")));
    }

    private static async Task ExpectListedAsync(FileBlobStore store, HashSet<string> told)
    {
        var names = await store.NamesAsync("");
        Assert.Equal(names.Order(StringComparer.Ordinal), names);
        Assert.Equal(names.Distinct(), names);
        Assert.Empty(told.Except(names));
        var last = (await store.ReadAsync(names[^1], CancellationToken.None))!.Content;
        Assert.NotNull(StoreProcess.WriterOf(last.Span));
    }

    private async Task<IReadOnlyList<(string Writer, StoreProcess Process)>> StartAsync(int count, string role, int times)
    {
        var names = Enumerable.Range(0, count).Select(i => $"w{i}").ToArray();
        var processes = await Task.WhenAll(names.Select(name => StoreProcess.StartAsync(role, _folder, name, times.ToString(CultureInfo.InvariantCulture))));
        return [.. names.Zip(processes)];
    }

    /// <summary>Lets all of them go at once.</summary>
    private static async Task<IReadOnlyList<(string Writer, string[] Lines)>> RaceAsync(IReadOnlyList<(string Writer, StoreProcess Process)> writers)
    {
        foreach (var (_, process) in writers)
            process.Go();
        var lines = await Task.WhenAll(writers.Select(w => w.Process.EndAsync()));
        foreach (var (_, process) in writers)
            process.Dispose();
        return [.. writers.Select(w => w.Writer).Zip(lines)];
    }
}
