using Orchestrator.Checkpoints.Audit;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Commits;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;

namespace Orchestrator.Checkpoints.Tests.Audit;

public sealed class StoreGarbageTests
{
    private static readonly string s_key = SampleJobs.Digest('a');

    private readonly MemoryBlobStore _store = new();

    private CheckpointStore Checkpoints => new(_store);

    [Fact]
    public async Task Activations_are_garbage_when_all_jobs_that_reconstruct_have_ended_and_other_outputs_are_not()
    {
        var (first, second) = (Plan(100), Plan(200));
        var activations = await CommitAsync();
        await WriteAsync(first);
        await WriteAsync(second);
        await EndAsync(first);
        Assert.DoesNotContain(activations, await GarbageAsync());

        await EndAsync(second);
        Assert.Equal([activations], await GarbageAsync());

        // Nobody knows what a job needs that was begun anew.
        await Checkpoints.BeginFreshAsync("local", second.ComputeJobId(), CancellationToken.None);
        Assert.DoesNotContain(activations, await GarbageAsync());
    }

    [Fact]
    public async Task Verification_misses_no_activations_that_were_collected_and_everything_else()
    {
        var activations = await CommitAsync();
        await _store.DeleteAsync(activations, CancellationToken.None);
        Assert.Empty(await FindingsAsync());

        await _store.DeleteAsync(NameOf(Roles.Weights), CancellationToken.None);
        Assert.Equal((FindingKind.Missing, NameOf(Roles.Weights)), (Assert.Single(await FindingsAsync()).Kind, (await FindingsAsync())[0].Name));
    }

    private static JobPlan Plan(int iterations) => SampleJobs.Plan(new ReconstructStep("brecq", 4) { Granularity = Granularity.Block, Iterations = iterations });

    private static string NameOf(string role) => BlobNames.Output(BlobNames.OutputPrefix("local", s_key, new Epoch(1, 1)), role);

    /// <summary>A unit with two outputs.</summary>
    /// <returns>The name of its activations.</returns>
    private async Task<string> CommitAsync()
    {
        var outputs = new List<UnitOutput>();
        foreach (var role in (string[])[Roles.Activations, Roles.Weights])
            outputs.Add(new UnitOutput(role, await Checkpoints.Tensors.WriteAsync(NameOf(role), new byte[] { 1, 2, 3 }, CancellationToken.None)));
        var record = new CommitRecord(s_key, "reconstruct/weights/0/capture/0", UnitKind.Statistics, new Epoch(1, 1), outputs, new UnitMetrics());
        await Checkpoints.CommitAsync(new JobScope("local", "", 0), record, CancellationToken.None);
        return NameOf(Roles.Activations);
    }

    private Task WriteAsync(JobPlan plan) => Checkpoints.WritePlanAsync("local", plan, CancellationToken.None);

    private Task<EndRecord> EndAsync(JobPlan plan) => Checkpoints.EndAsync(
        new JobScope("local", plan.ComputeJobId(), 0), 1, JobStatus.Succeeded, null, new Manifest(plan.ComputeDigest(), null, 1, "fold"), CancellationToken.None);

    private async Task<List<string>> GarbageAsync()
    {
        var names = new List<string>();
        await foreach (var garbage in new StoreGarbage(_store, DateTimeOffset.MaxValue).FindAsync(CancellationToken.None))
            names.Add(garbage.Blob.Name);
        return names;
    }

    private async Task<List<Finding>> FindingsAsync()
    {
        var found = new List<Finding>();
        await new StoreVerification(_store, found.Add).RunAsync(CancellationToken.None);
        return found;
    }
}
