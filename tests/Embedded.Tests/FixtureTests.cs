using System.Text.Json;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Embedded.Tests;

/// <summary>
/// Stores written by earlier versions, half-finished: every later version goes on with them. A fixture is never written anew; a change that
/// makes one unreadable throws users' work away and needs a migration. A new layout adds a fixture (ORC_UPDATE_GOLDEN=1 writes one that is missing).
/// </summary>
public sealed class FixtureTests
{
    private const int Half = 14;

    [Theory]
    [InlineData("store-1.json", "15ef547c8e8a49d74e3f51d2", 14)]
    public async Task A_store_of_an_earlier_version_is_resumed(string fixture, string job, int reused)
    {
        var path = Path.Combine(SourceFolder(), fixture);
        if (!File.Exists(path) && Environment.GetEnvironmentVariable("ORC_UPDATE_GOLDEN") == "1")
            await WriteAsync(path);
        var store = new MemoryBlobStore();
        foreach (var (name, content) in JsonSerializer.Deserialize<Dictionary<string, byte[]>>(await File.ReadAllBytesAsync(path))!)
        {
            if (BlobName.IsHead(name))
                await store.ReplaceAsync(name, content, null, CancellationToken.None);
            else
                await store.CreateAsync(name, content, CancellationToken.None);
        }

        // The plan of then: a planner may cut otherwise today, and that would be another job.
        var plan = (await new CheckpointStore(store).ReadPlanAsync("local", job, CancellationToken.None))!;
        var result = await EchoJob.RunAsync(store, new ManualClock(), plan: plan);

        Assert.Equal(JobStatus.Succeeded, result.Status);
        Assert.Equal(reused, result.Summary.Reused);
        Assert.Equal((await EchoJob.RunAsync(new MemoryBlobStore(), new ManualClock(), plan: plan)).Fold, result.Fold);
    }

    private static async Task WriteAsync(string path)
    {
        var store = new MemoryBlobStore();
        await EchoJob.RunAsync(store, new ManualClock(), Half);
        var contents = new SortedDictionary<string, byte[]>(StringComparer.Ordinal);
        foreach (var name in await store.NamesAsync(""))
            contents[name] = (await store.ReadAsync(name, CancellationToken.None))!.Content.ToArray();
        await File.WriteAllBytesAsync(path, JsonSerializer.SerializeToUtf8Bytes(contents));
    }

    private static string SourceFolder()
    {
        var folder = new DirectoryInfo(AppContext.BaseDirectory);
        while (folder is not null && !File.Exists(Path.Combine(folder.FullName, "Orchestrator.sln")))
            folder = folder.Parent;
        return Path.Combine(folder!.FullName, "tests", "Embedded.Tests", "Fixtures");
    }
}
