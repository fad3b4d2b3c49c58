using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Tests;

public sealed class FailingUnitTests
{
    [Fact]
    public async Task A_unit_that_fails_now_and_then_is_tried_again_and_the_job_succeeds()
    {
        var plan = JobHarness.Plan();
        var failures = new FailureScript("layer/1/step/0/select", times: RetryPolicy.Default.MaxAttempts - 1, () => new InvalidOperationException("cosmic ray"));

        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner(failures.Before));

        Assert.Equal(JobStatus.Succeeded, result.Status);
        Assert.Equal(RetryPolicy.Default.MaxAttempts, failures.Seen);
    }

    [Fact]
    public async Task A_unit_that_always_fails_is_quarantined_after_five_attempts_and_its_layer_left_as_it_was()
    {
        var plan = JobHarness.Plan();
        var failures = new FailureScript("layer/1/step/0/select", int.MaxValue, () => new InvalidOperationException("it never works"));

        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner(failures.Before));

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.Contains("it never works", result.Reason, StringComparison.Ordinal);
        Assert.Contains("/conv2", result.Reason, StringComparison.Ordinal);
        Assert.Equal(RetryPolicy.Default.MaxAttempts, failures.Seen);
        Assert.NotNull(result.Model);
        Assert.Equal([false, true, false], result.Summary.Layers.Select(l => l.Failure is not null));
    }

    [Fact]
    public async Task A_unit_whose_input_is_wrong_is_not_tried_again()
    {
        var plan = JobHarness.Plan();
        var failures = new FailureScript("layer/1/hessian", int.MaxValue, () => new InputException("data-not-finite", "input", "It has NaN.", "Remove it."));

        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner(failures.Before));

        Assert.Equal((JobStatus.Failed, 1), (result.Status, failures.Seen));
    }

    [Fact]
    public async Task A_job_whose_statistics_fail_ends_without_a_model()
    {
        var plan = JobHarness.Plan();
        var failures = new FailureScript("statistics/0/1", int.MaxValue, () => new OutOfMemoryException("too large"));

        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner(failures.Before));

        Assert.Equal((JobStatus.Failed, null), (result.Status, result.Model));
        Assert.Contains("too large", result.Reason, StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_job_that_failed_is_tried_anew_when_it_is_started_again()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var failures = new FailureScript("layer/1/step/0/select", int.MaxValue, () => new InvalidOperationException("no disk"));
        await new JobHarness(store).RunAsync(plan, new EchoRunner(failures.Before));
        var reference = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner());

        var again = await new JobHarness(store).RunAsync(plan, new EchoRunner());

        Assert.Equal((JobStatus.Succeeded, 1), (again.Status, again.Job.Run));
        Assert.Equal((reference.Model!.Sha256, reference.Fold), (again.Model!.Sha256, again.Fold));
    }

    [Fact]
    public async Task A_float_model_that_cannot_be_evaluated_costs_the_baseline_but_not_the_model()
    {
        var plan = JobHarness.Plan(new NmStep(2, 4));
        var failures = new FailureScript("evaluate/float/0", int.MaxValue, () => new InvalidOperationException("no such operator"));

        var result = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner(failures.Before));

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.NotNull(result.Model);
        Assert.NotNull(result.Summary.Compressed);
    }

    /// <summary>Fails a unit some times.</summary>
    private sealed class FailureScript(string unit, int times, Func<Exception> failure)
    {
        private int _seen;

        public int Seen => _seen;

        public Task Before(WorkUnit running, CancellationToken cancellationToken)
        {
            if (running.Id == unit && Interlocked.Increment(ref _seen) <= times)
                throw failure();
            return Task.CompletedTask;
        }
    }
}
