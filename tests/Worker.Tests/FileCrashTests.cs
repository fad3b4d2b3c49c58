using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Worker.Tests;

/// <summary>
/// A job over the real file store whose process dies at every store operation, one by one: the operation has or has not taken effect,
/// and nothing after it has. A new coordinator over the same folder goes on to the same bytes.
/// </summary>
public sealed class FileCrashTests : IDisposable
{
    private const int DeletesApart = 13;

    private readonly string _root = Path.Combine(Path.GetTempPath(), $"orchestrator-crashes-{Guid.NewGuid():n}");

    public void Dispose() => Directory.Delete(_root, recursive: true);

    public static TheoryData<StoreFault> Faults => new(StoreFault.Fail, StoreFault.LoseAnswer);

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_job_killed_at_any_operation_of_the_file_store_goes_on_to_the_same_bytes(StoreFault last)
    {
        var plan = JobHarness.Plan(SampleJobs.Outline(SampleJobs.Layer("/conv")), new ExactObsStep(0.5), new ObqStep(4));
        var (reference, operations) = await ReferenceAsync(plan);
        Assert.Contains(operations, o => o is { What: "list" });

        for (var killed = 0; killed < operations.Count; killed++)
        {
            var folder = Path.Combine(_root, $"{killed}");
            await DieAsync(plan, folder, killed, last);
            await ExpectResumedAsync(plan, reference, folder);
        }
    }

    /// <summary>Before the compaction every operation is like one of the other job's; so the kills begin there, each on a copy of the folder.</summary>
    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_job_killed_at_any_write_from_a_compaction_to_the_end_goes_on_to_the_same_bytes(StoreFault last)
    {
        var plan = Fine(JobHarness.Plan(SampleJobs.Outline(SampleJobs.Layer("/conv", rows: 66, columns: 8)), new NmStep(2, 4)));
        var (reference, operations) = await ReferenceAsync(plan);
        var compaction = operations.FindIndex(o => o.Name.Contains("/seg-", StringComparison.Ordinal));
        Assert.True(compaction > 0, "Nothing was compacted.");
        Assert.Contains(operations.Skip(compaction), o => o.Name.EndsWith("log.head", StringComparison.Ordinal) && o.What == "replace");
        Assert.Contains(operations.Skip(compaction), o => o.What == "delete");

        // The records that a segment stands for are deleted one like the other.
        var deletes = Enumerable.Range(compaction, operations.Count - compaction).Where(n => operations[n].What == "delete").Where((_, i) => i % DeletesApart == 0);
        var writes = Enumerable.Range(compaction, operations.Count - compaction).Where(n => operations[n].What is "create" or "replace");
        foreach (var killed in writes.Concat(deletes))
        {
            var folder = Path.Combine(_root, $"{killed}");
            await DieAsync(plan, folder, killed, last);
            await ExpectResumedAsync(plan, reference, folder);
        }
    }

    private static JobPlan Fine(JobPlan plan) => plan with { Layers = [.. plan.Layers.Select(l => l with { Steps = [.. l.Steps.Select(s => s with { RangeRows = 1 })] })] };

    /// <summary>The job without a fault, and its operations in their order.</summary>
    private async Task<(JobResult Result, List<(string What, string Name)> Operations)> ReferenceAsync(JobPlan plan)
    {
        var operations = new List<(string, string)>();
        var listening = new FaultyBlobStore(FileStores.OpenUnflushed(Path.Combine(_root, "reference")), (_, what, name) =>
        {
            lock (operations)
                operations.Add((what, name));
            return StoreFault.None;
        });
        return (await new JobHarness(listening, slots: 1).RunAsync(plan, new EchoRunner()), operations);
    }

    private static async Task DieAsync(JobPlan plan, string folder, int killed, StoreFault last)
    {
        var dying = new FaultyBlobStore(FileStores.OpenUnflushed(folder), (n, _, _) => n < killed ? StoreFault.None : n == killed ? last : StoreFault.Fail);
        try
        {
            await new JobHarness(dying, slots: 1).RunAsync(plan, new EchoRunner());
        }
        catch (IOException)
        {
            // The end came before there was a job, or hit the worker.
        }
    }

    /// <summary>The same result, and of the units those alone that were not committed.</summary>
    private static async Task ExpectResumedAsync(JobPlan plan, JobResult reference, string folder)
    {
        var store = FileStores.OpenUnflushed(folder);
        var committed = await CommittedAsync(store);
        var runner = new EchoRunner();
        var result = await new JobHarness(store, slots: 1).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Succeeded, reference.Model!.Sha256, reference.Fold), (result.Status, result.Model!.Sha256, result.Fold));
        Assert.DoesNotContain(runner.Ran, unit => committed.Contains(unit.Key));
        Assert.Equal((committed.Count, PlanUnits.Totals(plan).Units - committed.Count), (result.Summary.Reused, result.Summary.Computed));
        Directory.Delete(folder, recursive: true);
    }

    /// <summary>Keys of the units whose commit can be read.</summary>
    private static async Task<HashSet<string>> CommittedAsync(FileBlobStore store)
    {
        var keys = new HashSet<string>(StringComparer.Ordinal);
        foreach (var name in (await store.NamesAsync("local/commits/")).Where(name => !BlobName.IsHead(name)))
        {
            var head = CommitDocument.HeadOf(name) is { } above ? await store.ReadAsync(above, CancellationToken.None) : null;
            var document = CommitDocument.Read(name, (await store.ReadAsync(name, CancellationToken.None))!.Content, head?.Content);
            // A segment that no head names yet repeats records that are still there.
            keys.UnionWith(document!.Commits.Select(c => c.Key));
        }

        return keys;
    }
}
