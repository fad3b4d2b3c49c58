using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;

namespace Orchestrator.Worker.Tests;

public sealed class WholeJobTests
{
    [Fact]
    public async Task A_job_runs_to_its_end_and_every_planned_unit_is_computed_once()
    {
        var plan = JobHarness.Plan();
        var runner = new EchoRunner();

        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, runner);

        Assert.Equal((JobStatus.Succeeded, null), (result.Status, result.Reason));
        Assert.NotNull(result.Model);
        Assert.Equal(PlanUnits.All(plan).Select(u => u.Id).Order(), runner.Ran.Select(u => u.Id).Order());
        Assert.Equal((PlanUnits.Totals(plan).Units, 0), (result.Summary.Computed, result.Summary.Reused));
    }

    [Fact]
    public async Task Any_number_of_slots_gives_the_same_bytes()
    {
        var plan = JobHarness.Plan();
        var folds = new List<(string?, string)>();
        foreach (var slots in new[] { 1, 2, 4 })
        {
            var result = await new JobHarness(new MemoryBlobStore(), slots).RunAsync(plan, new EchoRunner());
            folds.Add((result.Model?.Sha256, result.Fold));
        }

        Assert.Single(folds.Distinct());
    }

    [Fact]
    public async Task A_second_run_computes_nothing_and_ends_the_same()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var first = await new JobHarness(store).RunAsync(plan, new EchoRunner());
        var runner = new EchoRunner();

        var second = await new JobHarness(store).RunAsync(plan, runner);

        Assert.Empty(runner.Ran);
        Assert.Equal((first.Model, first.Fold), (second.Model, second.Fold));
        Assert.Equal((0, PlanUnits.Totals(plan).Units), (second.Summary.Computed, second.Summary.Reused));
    }

    [Fact]
    public async Task A_fresh_run_computes_everything_again_and_a_later_run_goes_on_from_it()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var first = await new JobHarness(store).RunAsync(plan, new EchoRunner());
        var (fresh, later) = (new EchoRunner(), new EchoRunner());

        var second = await new JobHarness(store).RunAsync(plan, fresh, fresh: true);
        var third = await new JobHarness(store).RunAsync(plan, later);

        Assert.Equal(PlanUnits.Totals(plan).Units, fresh.Ran.Count);
        Assert.Empty(later.Ran);
        Assert.Equal((1, 1), (second.Job.Generation, third.Job.Generation));
        Assert.Equal(first.Fold, second.Fold);
    }

    [Fact]
    public async Task A_job_that_differs_in_sparsity_alone_traces_nothing_again()
    {
        var store = new MemoryBlobStore();
        await new JobHarness(store).RunAsync(JobHarness.Plan(new ExactObsStep(0.5)), new EchoRunner());
        var plan = JobHarness.Plan(new ExactObsStep(0.7, MaskSelection.Exact));
        var runner = new EchoRunner();

        var result = await new JobHarness(store).RunAsync(plan, runner);

        string[] depending = ["select", "finish", "assemble", "evaluate/compressed", "compare", "latency/compressed"];
        Assert.All(runner.Ran, unit => Assert.Contains(depending, part => unit.Id.Contains(part, StringComparison.Ordinal)));
        Assert.Contains(PlanUnits.All(plan), unit => unit.Id.Contains("/trace/", StringComparison.Ordinal));
        Assert.Equal(PlanUnits.Totals(plan).Units - runner.Ran.Count, result.Summary.Reused);
    }
}
