using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Worker.Tests;

public sealed class DamageTests
{
    public static TheoryData<string, string, string> Links => new()
    {
        // producer, role of the damaged output, a consumer that has to run again
        { "statistics/0/1", "gram/1", "layer/1/hessian" },
        { "layer/1/hessian", "weights", "layer/1/step/0/trace/0-63" },
        { "layer/1/hessian", "hessian", "layer/1/step/1/rows/0-63" },
        { "layer/1/step/0/trace/0-63", "losses", "layer/1/step/0/select" },
        { "layer/1/step/0/select", "counts", "layer/1/step/0/finish/0-63" },
        { "layer/1/step/0/finish/0-63", "weights", "layer/1/step/1/rows/0-63" },
        { "layer/1/step/1/rows/0-63", "codes", "assemble" },
        { "assemble", "model", "evaluate/compressed/1" },
    };

    [Theory]
    [MemberData(nameof(Links))]
    public async Task A_damaged_blob_is_found_on_read_and_its_unit_runs_again(string producer, string role, string consumer)
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var first = new EchoRunner();
        var reference = await new JobHarness(store).RunAsync(plan, first);
        var damaged = await OutputOf(store, first, producer, role);
        await store.DamageAsync(damaged);
        await UncommitAsync(store, first, consumer);
        var runner = new EchoRunner();

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Succeeded, reference.Fold), (result.Status, result.Fold));
        Assert.Contains(producer, runner.Ran.Select(u => u.Id));
        Assert.Contains(consumer, runner.Ran.Select(u => u.Id));
        Assert.NotEqual(damaged, await OutputOf(store, first, producer, role));
    }

    [Fact]
    public async Task A_damaged_commit_record_counts_as_none()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var first = new EchoRunner();
        var reference = await new JobHarness(store).RunAsync(plan, first);
        await store.DamageAsync(NameOf(first, "layer/1/step/0/select"));
        var runner = new EchoRunner();

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal(["layer/1/step/0/select"], runner.Ran.Select(u => u.Id));
        Assert.Equal(reference.Fold, result.Fold);
    }

    [Fact]
    public async Task A_damaged_copy_of_the_model_is_renewed_when_the_job_starts()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        await JobHarness.ImportAsync(store);
        await store.DamageAsync(BlobNames.Input(JobHarness.Tenant, plan.Settings.Model.Sha256));

        var result = await new JobHarness(store).RunAsync(plan, new EchoRunner());

        Assert.Equal(JobStatus.Succeeded, result.Status);
    }

    [Fact]
    public async Task A_model_damaged_under_way_ends_the_job_with_the_reason()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var name = BlobNames.Input(JobHarness.Tenant, plan.Settings.Model.Sha256);

        var result = await new JobHarness(store, slots: 1).RunAsync(plan, new EchoRunner((_, _) => DamageOnceAsync(store, name)));

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.Contains("Start the job again", result.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_store_that_damages_whatever_it_is_given_ends_the_job()
    {
        var plan = JobHarness.Plan();
        var store = new MemoryBlobStore();
        var runner = new EchoRunner(async (unit, _) =>
        {
            if (unit.Spec is SelectSpec)
                await store.DamageAsync(unit.Inputs[0].Blob.Name);
        });

        var result = await new JobHarness(store, slots: 1).RunAsync(plan, runner);

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.Contains("cannot be trusted", result.Reason, StringComparison.Ordinal);
    }

    private static async Task DamageOnceAsync(MemoryBlobStore store, string name)
    {
        var marker = "local/damaged-once";
        if (await store.CreateAsync(marker, ReadOnlyMemory<byte>.Empty, CancellationToken.None))
            await store.DamageAsync(name);
    }

    private static string NameOf(EchoRunner runner, string unit) =>
        BlobNames.Commit(new JobScope(JobHarness.Tenant, "", 0), runner.Ran.Single(u => u.Id == unit).Key);

    /// <summary>The blob that the newest commit of a unit names.</summary>
    private static async Task<string> OutputOf(MemoryBlobStore store, EchoRunner runner, string unit, string role)
    {
        var key = runner.Ran.Single(u => u.Id == unit).Key;
        var newest = (await DocumentsOf(store, key)).SelectMany(d => d.Document.Commits).Where(c => c.Key == key).Select(c => c.Epoch).OrderBy(e => e.Term).ThenBy(e => e.Counter).Last();
        return BlobNames.Output(BlobNames.OutputPrefix(JobHarness.Tenant, key, newest), role);
    }

    /// <summary>As if a unit, and what shares its log, had never been committed.</summary>
    private static async Task UncommitAsync(MemoryBlobStore store, EchoRunner runner, string unit)
    {
        foreach (var (name, document) in await DocumentsOf(store, runner.Ran.Single(u => u.Id == unit).Key))
        {
            string[] names = document.Kind == CommitDocumentKind.Record ? [name] : [.. await store.NamesAsync(document.Place)];
            foreach (var gone in names)
                await store.DeleteAsync(gone, CancellationToken.None);
        }
    }

    private static async Task<IReadOnlyList<(string Name, CommitDocument Document)>> DocumentsOf(MemoryBlobStore store, string key)
    {
        var found = new List<(string, CommitDocument)>();
        foreach (var name in await store.NamesAsync("local/commits/"))
        {
            if (CommitDocument.Read(name, (await store.ReadAsync(name, CancellationToken.None))!.Content, head: null) is { } document && document.Commits.Any(c => c.Key == key))
                found.Add((name, document));
        }

        return found;
    }
}
