using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Embedded.Tests;

/// <summary>Any blob of a job damaged in any way: the next run finds it where it reads it, and comes to the same end.</summary>
public sealed class DamageTests
{
    /// <summary>Units of the half-finished job: statistics are done, rows of the first layer under way.</summary>
    private const int Half = 14;

    [Theory]
    [InlineData(int.MaxValue)]
    [InlineData(Half)]
    public async Task A_damaged_blob_changes_nothing_about_the_end(int units)
    {
        var whole = new MemoryBlobStore();
        var expected = await EchoJob.RunAsync(whole, new ManualClock());
        Assert.Equal(JobStatus.Succeeded, expected.Status);
        var store = new MemoryBlobStore();
        var before = await EchoJob.RunAsync(store, new ManualClock(), units);
        Assert.Equal(units == Half ? JobStatus.Interrupted : JobStatus.Succeeded, before.Status);

        var names = await store.NamesAsync("");
        Assert.True(names.Count > Half, $"{names.Count} blobs");
        foreach (var name in names)
        {
            foreach (var damage in Damages.All)
            {
                var damaged = await store.CopyAsync();
                await damaged.DamageAsync(name, damage);

                var result = await EchoJob.RunAsync(damaged, new ManualClock());

                Assert.True(Same(expected, result), $"{name} {damage}: {result.Status} {result.Reason}");
            }
        }
    }

    /// <summary>Every output of a job damaged at once: nothing is left to trust but the files of the user.</summary>
    [Fact]
    public async Task A_missing_output_is_made_again_when_it_is_needed()
    {
        var expected = await EchoJob.RunAsync(new MemoryBlobStore(), new ManualClock());
        var store = new MemoryBlobStore();
        await EchoJob.RunAsync(store, new ManualClock(), Half);
        foreach (var name in await store.NamesAsync("local/attempts/"))
        {
            var without = await store.CopyAsync();
            await without.DeleteAsync(name, CancellationToken.None);

            Assert.True(Same(expected, await EchoJob.RunAsync(without, new ManualClock())), name);
        }
    }

    private static bool Same(JobResult expected, JobResult result) =>
        result.Status == JobStatus.Succeeded && result.Fold == expected.Fold && result.Model!.Sha256 == expected.Model!.Sha256;
}
