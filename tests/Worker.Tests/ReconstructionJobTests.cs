using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outlines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.Worker.Leasing;

namespace Orchestrator.Worker.Tests;

/// <summary>Jobs whose layers are reconstructed: chained groups between the layers' own steps and the result.</summary>
public sealed class ReconstructionJobTests : IDisposable
{
    private static readonly ReconstructStep s_brecq = new("brecq", 4) { Granularity = Granularity.Block, Iterations = 100 };

    private static readonly ModelOutline s_four = SampleJobs.Outline(
        SampleJobs.Layer("/stem"), SampleJobs.Layer("/a", block: "b1"), SampleJobs.Layer("/b", block: "b2"), SampleJobs.Layer("/fc", block: "b3"));

    private readonly DirectoryInfo _folder = Directory.CreateTempSubdirectory("orc-states-");

    public static TheoryData<string, CompressStep[]> Recipes() => new()
    {
        { "weights", [s_brecq] },
        { "two phases", [s_brecq with { ActivationBits = 4 }] },
        { "joint", [s_brecq with { ActivationBits = 4, Activations = ActivationTuning.Joint }] },
        { "float inputs", [s_brecq with { Inputs = ReconstructionInputs.Unquantized, ActivationBits = 4 }] },
        { "pruned", [new ExactObsStep(0.5), s_brecq] },
        { "net", [s_brecq with { Granularity = Granularity.Net }] },
    };

    public void Dispose() => _folder.Delete(recursive: true);

    [Theory]
    [MemberData(nameof(Recipes))]
    public async Task Every_planned_unit_is_computed_once_and_the_store_tells_the_same(string name, CompressStep[] steps)
    {
        Assert.NotEmpty(name);
        var (plan, store) = (JobHarness.Plan(steps), new MemoryBlobStore());
        var runner = new EchoRunner();

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Succeeded, null), (result.Status, result.Reason));
        Assert.Equal(PlanUnits.All(plan).Select(u => u.Id).Order(), runner.Ran.Select(u => u.Id).Order());
        var stored = await StoredAsync(store, plan);
        Assert.Equal((result.Fold, result.Model), (stored.Fold, stored.Model));
        var groups = result.Summary.Groups;
        Assert.Equal(plan.Reconstruction!.Groups.Count * plan.Reconstruction.Phases.Count, groups.Count);
        Assert.Equal(groups.Select(g => g.Metrics.Reconstruction!.Phase), stored.Summarize().Groups.Select(g => g.Metrics.Reconstruction!.Phase));
        Assert.Equal(result.Summary.Layers.Select(l => (l.Index, l.ZeroWeights, l.Weights)), stored.Summarize().Layers.Select(l => (l.Index, l.ZeroWeights, l.Weights)));
        Assert.Equal([0, 1, 2], result.Summary.Layers.Select(l => l.Index));
    }

    [Fact]
    public async Task Any_number_of_slots_gives_the_same_bytes_and_a_second_run_computes_nothing()
    {
        var plan = JobHarness.Plan(s_brecq with { ActivationBits = 4 });
        var folds = new List<(string?, string)>();
        foreach (var slots in new[] { 1, 4 })
        {
            var store = new MemoryBlobStore();
            var result = await new JobHarness(store, slots).RunAsync(plan, new EchoRunner());
            folds.Add((result.Model?.Sha256, result.Fold));
            var again = new EchoRunner();
            folds.Add((result.Model?.Sha256, (await new JobHarness(store, slots).RunAsync(plan, again)).Fold));
            Assert.Empty(again.Ran);
        }

        Assert.Single(folds.Distinct());
    }

    [Fact]
    public async Task Activations_after_weights_that_are_tuned_already_tune_no_weights_again()
    {
        var store = new MemoryBlobStore();
        await new JobHarness(store).RunAsync(JobHarness.Plan(s_brecq), new EchoRunner());
        var runner = new EchoRunner();

        await new JobHarness(store).RunAsync(JobHarness.Plan(s_brecq with { ActivationBits = 4 }), runner);

        Assert.DoesNotContain(runner.Ran, u => u.Spec is ReconstructSpec { Phase: ReconstructionPhase.Weights });
        Assert.Contains(runner.Ran, u => u.Spec is ReconstructSpec { Phase: ReconstructionPhase.Activations });
    }

    [Theory]
    [MemberData(nameof(Recipes))]
    public async Task Activations_go_with_the_last_unit_that_reads_them_and_only_then(string name, CompressStep[] steps)
    {
        Assert.NotEmpty(name);
        var (plan, store) = (JobHarness.Plan(s_four, steps), new MemoryBlobStore());
        var most = 0;
        var runner = new EchoRunner(async (unit, _) => most = Math.Max(most, await ActivationsAsync(store)));

        await new JobHarness(store, slots: 1).RunAsync(plan, runner);

        Assert.Equal(0, await ActivationsAsync(store));
        var pipeline = PlanUnits.Pipelines(plan).OfType<ReconstructionPipeline>().Single();
        // One group's at a time, or all of them where they are captured at once.
        Assert.Equal(plan.Settings.CalibrationShards.Count * (pipeline.IsChained ? 1 : pipeline.Groups.Count), most);
    }

    [Theory]
    [InlineData(ReconstructionInputs.Quantized)]
    [InlineData(ReconstructionInputs.Unquantized)]
    public async Task Another_job_that_shares_captures_whose_activations_are_gone_has_them_made_again_however_many_there_are(ReconstructionInputs inputs)
    {
        var layers = Enumerable.Range(0, PipelineMachine.MaxRepairs + 4).Select(i => SampleJobs.Layer($"/l{i}", block: $"b{i}")).ToArray();
        JobPlan Plan(int iterations) => JobHarness.Plan(SampleJobs.Outline(layers), s_brecq with { Iterations = iterations, Inputs = inputs });
        var (first, second) = (Plan(100), Plan(101));
        var clean = await new JobHarness(new MemoryBlobStore()).RunAsync(second, new EchoRunner());
        var store = new MemoryBlobStore();
        await new JobHarness(store).RunAsync(first, new EchoRunner());
        var runner = new EchoRunner();

        var result = await new JobHarness(store).RunAsync(second, runner);

        Assert.Equal((JobStatus.Succeeded, clean.Fold, clean.Model?.Sha256), (result.Status, result.Fold, result.Model?.Sha256));
        Assert.Contains(runner.Ran, u => u.Spec is CaptureSpec);
        Assert.Equal(0, await ActivationsAsync(store));
        // And the first one, run again, needs none of them.
        var again = new EchoRunner();
        await new JobHarness(store).RunAsync(first, again);
        Assert.Empty(again.Ran);
    }

    [Fact]
    public async Task Activations_that_go_while_a_unit_is_about_to_read_them_are_captured_anew_and_count_as_no_damage()
    {
        var plan = JobHarness.Plan(s_four, s_brecq);
        var clean = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner());
        var store = new MemoryBlobStore();
        var left = PipelineMachine.MaxRepairs + 1;
        var runner = new EchoRunner(async (unit, token) =>
        {
            if (unit.Id != "reconstruct/weights/1" || Interlocked.Decrement(ref left) < 0)
                return;
            foreach (var input in unit.Inputs.Where(i => i.Role == Roles.Activations))
                await store.DeleteAsync(input.Blob.Name, token);
        });

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Succeeded, clean.Fold, clean.Model?.Sha256), (result.Status, result.Fold, result.Model?.Sha256));
        Assert.True(left < 0);
    }

    /// <summary>A given blob of the chain, one of its own, and one that writing the model needs.</summary>
    [Theory]
    [InlineData("reconstruct/weights/0/capture/0", "codes/0")]
    [InlineData("reconstruct/weights/1/capture/0", "weights/1")]
    [InlineData("assemble", "codes/1")]
    [InlineData("assemble", "step-sizes")]
    public async Task A_damaged_blob_is_made_again_wherever_it_is_found(string reader, string role)
    {
        var plan = JobHarness.Plan(s_four, s_brecq with { ActivationBits = 4 });
        var clean = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner());
        var store = new MemoryBlobStore();
        var once = 0;
        var runner = new EchoRunner(async (unit, _) =>
        {
            if (unit.Id == reader && Interlocked.Exchange(ref once, 1) == 0)
                await store.DamageAsync(unit.Inputs.First(i => i.Role == role).Blob.Name);
        });

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Succeeded, null), (result.Status, result.Reason));
        Assert.Equal((clean.Model?.Sha256, clean.Fold), (result.Model?.Sha256, result.Fold));
        Assert.Equal(1, once);
    }

    [Fact]
    public async Task A_group_that_cannot_be_tuned_leaves_it_and_what_follows_as_they_were_and_the_rest_is_delivered()
    {
        var plan = JobHarness.Plan(s_four, s_brecq);
        var store = new MemoryBlobStore();
        var runner = new EchoRunner((unit, _) => unit.Id == "reconstruct/weights/1" ? throw new InvalidOperationException("It broke.") : Task.CompletedTask);

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.Contains("Not all layers could be reconstructed", result.Reason, StringComparison.Ordinal);
        Assert.NotNull(result.Model);
        Assert.Equal([0, 1], Assert.IsType<AssembleSpec>(runner.Ran.Single(u => u.Id == "assemble").Spec).Layers.Select(l => l.Layer.Index));
        Assert.Equal([null, null, "it was not reconstructed", "it was not reconstructed"], result.Summary.Layers.Select(l => l.Failure));
        Assert.Equal(result.Model, (await StoredAsync(store, plan)).Model);
    }

    [Fact]
    public async Task What_was_tuned_before_a_group_was_given_up_is_made_again_where_it_is_damaged()
    {
        var plan = JobHarness.Plan(s_four, s_brecq);
        var store = new MemoryBlobStore();
        var once = 0;
        var runner = new EchoRunner(async (unit, _) =>
        {
            if (unit.Id == "reconstruct/weights/1")
                throw new InvalidOperationException("It broke.");
            if (unit.Id == "assemble" && Interlocked.Exchange(ref once, 1) == 0)
                await store.DamageAsync(unit.Inputs.First(i => i.Role == "codes/1").Blob.Name);
        });

        var result = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Failed, 1), (result.Status, once));
        Assert.NotNull(result.Model);
        Assert.Equal(2, runner.Ran.Count(u => u.Id == "reconstruct/weights/0"));
    }

    [Fact]
    public async Task A_job_that_is_stopped_within_a_group_goes_on_within_it_and_a_fresh_one_does_not()
    {
        var store = FileBlobStore.Open(_folder.FullName, TimeProvider.System);
        var plan = JobHarness.Plan(s_brecq);
        var clean = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new StatesRunner(int.MaxValue));
        var broken = new StatesRunner(stopAt: 3);

        var stopped = await new JobHarness(store).RunAsync(plan, broken, async (host, _) =>
        {
            await broken.Stopped;
            await host.Model(JobHarness.Tenant, plan.ComputeJobId()).StopAsync("asked to", resumable: true, CancellationToken.None);
        });
        var (resumed, fresh) = (new StatesRunner(int.MaxValue), new StatesRunner(int.MaxValue));
        var result = await new JobHarness(store).RunAsync(plan, resumed);
        await new JobHarness(store).RunAsync(plan, fresh, fresh: true);

        Assert.Equal(JobStatus.Interrupted, stopped.Status);
        Assert.Equal((JobStatus.Succeeded, clean.Model?.Sha256), (result.Status, result.Model?.Sha256));
        Assert.Equal([1, 2, 3], broken.Left);
        Assert.Equal([4, 5], resumed.Left);
        Assert.Equal([1, 2, 3, 4, 5], fresh.Left);
    }

    [Fact]
    public async Task A_watcher_hears_of_each_group()
    {
        var plan = JobHarness.Plan(s_brecq);
        var events = new List<JobEvent>();
        var inWork = new List<string>();
        // No unit runs before somebody watches.
        var watched = new TaskCompletionSource();

        await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner((_, _) => watched.Task), async (host, _) =>
        {
            await foreach (var progress in host.Model(JobHarness.Tenant, plan.ComputeJobId()).WatchAsync(CancellationToken.None))
            {
                watched.TrySetResult();
                events.AddRange(progress.Events);
                if (progress.Phase == "reconstruction")
                    inWork.AddRange(progress.Layers);
            }
        });

        Assert.Equal("b1", Assert.Single(inWork.Distinct()));

        Assert.Contains(events, e => e is { Kind: "reconstructed", Message: "loss 2 → 1 in 100 steps" });
    }

    /// <summary>Leaves five states, each a hash of the one before; what it writes depends on the last.</summary>
    /// <param name="stopAt">The state after which it waits to be stopped.</param>
    private sealed class StatesRunner(int stopAt) : IUnitRunner
    {
        private const int All = 5;

        private readonly EchoRunner _echo = new();
        private readonly TaskCompletionSource _stopped = new(TaskCreationOptions.RunContinuationsAsynchronously);

        public Task Stopped => _stopped.Task;

        public List<int> Left { get; } = [];

        public async Task<UnitMetrics> RunAsync(WorkUnit unit, IUnitContext context, CancellationToken cancellationToken)
        {
            if (unit.Spec is not ReconstructSpec spec)
                return await _echo.RunAsync(unit, context, cancellationToken);
            var state = await context.ReadStateAsync(cancellationToken) ?? new UnitState(0, System.Text.Encoding.UTF8.GetBytes(unit.Key));
            while (state.Number < All)
            {
                state = new UnitState(state.Number + 1, System.Security.Cryptography.SHA256.HashData(state.Content.Span));
                await context.WriteStateAsync(state, cancellationToken);
                Left.Add(state.Number);
                if (state.Number != stopAt)
                    continue;
                _stopped.SetResult();
                await new TaskCompletionSource().Task.WaitAsync(cancellationToken);
            }

            foreach (var role in EchoOutputs.Roles(unit))
                await context.WriteAsync(role, state.Content, cancellationToken);
            return EchoOutputs.Metrics(unit);
        }
    }

    private static async Task<int> ActivationsAsync(MemoryBlobStore store)
    {
        var found = 0;
        await foreach (var entry in store.ListAsync("", CancellationToken.None))
            found += BlobNames.ProducerOf(entry.Name) is not null && BlobNames.RoleOf(entry.Name) == Roles.Activations ? 1 : 0;
        return found;
    }

    private static async Task<StoredJob> StoredAsync(MemoryBlobStore store, JobPlan plan)
    {
        var stored = new StoredJob(new CheckpointStore(store), new JobScope(JobHarness.Tenant, plan.ComputeJobId(), 0), plan);
        await stored.ReadAsync(null, CancellationToken.None);
        return stored;
    }
}
