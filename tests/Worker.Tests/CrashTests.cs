using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Recipes;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Worker.Tests;

public sealed class CrashTests
{
    public static TheoryData<StoreFault> Faults => new(StoreFault.Fail, StoreFault.LoseAnswer);

    [Theory]
    [MemberData(nameof(Faults))]
    public async Task A_job_killed_at_any_store_operation_goes_on_to_the_same_bytes_and_repeats_no_committed_unit(StoreFault last)
    {
        var plan = JobHarness.Plan(SampleJobs.Outline(SampleJobs.Layer("/conv")), new ExactObsStep(0.5), new ObqStep(4));
        var counting = new FaultyBlobStore(new MemoryBlobStore(), (_, _, _) => StoreFault.None);
        var reference = await new JobHarness(counting, slots: 1).RunAsync(plan, new EchoRunner());

        for (var killed = 0; killed < counting.Operations; killed++)
        {
            var disk = new MemoryBlobStore();
            // Nothing gets through after the kill; the last operation may or may not have.
            var dying = new FaultyBlobStore(disk, (n, _, _) => n < killed ? StoreFault.None : n == killed ? last : StoreFault.Fail);
            await RunToDeathAsync(plan, dying);
            var committed = await disk.NamesAsync("local/commits/");

            var runner = new EchoRunner();
            var result = await new JobHarness(disk, slots: 1).RunAsync(plan, runner);

            Assert.Equal((JobStatus.Succeeded, reference.Model!.Sha256, reference.Fold), (result.Status, result.Model!.Sha256, result.Fold));
            Assert.DoesNotContain(runner.Ran, unit => committed.Any(name => name.Contains(unit.Key, StringComparison.Ordinal)));
            Assert.Equal((committed.Count, PlanUnits.Totals(plan).Units - committed.Count), (result.Summary.Reused, result.Summary.Computed));
        }
    }

    [Fact]
    public async Task Two_coordinators_on_one_store_at_once_both_end_right()
    {
        var plan = JobHarness.Plan();
        var reference = await new JobHarness(new MemoryBlobStore()).RunAsync(plan, new EchoRunner());
        var store = new MemoryBlobStore();
        var meeting = new Meeting();

        var results = await Task.WhenAll(RunBesideAsync(plan, store, meeting), RunBesideAsync(plan, store, meeting));

        Assert.All(results, r => Assert.Equal((JobStatus.Succeeded, reference.Model!.Sha256, reference.Fold), (r.Status, r.Model!.Sha256, r.Fold)));
        Assert.All(results, r => Assert.Equal(PlanUnits.Totals(plan).Units, r.Summary.Computed + r.Summary.Reused));
        Assert.Equal(PlanUnits.Totals(plan).Units, results.Sum(r => r.Summary.Computed));
    }

    [Fact]
    public async Task After_a_stop_is_acknowledged_nothing_is_committed_and_a_later_run_goes_on()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var reached = new TaskCompletionSource();
        var go = new TaskCompletionSource();
        // Stubborn: does not look at its cancellation, like a kernel in the middle of a row.
        var stubborn = new EchoRunner(async (unit, _) =>
        {
            if (unit.Id != "layer/1/step/0/select")
                return;
            reached.TrySetResult();
            await go.Task;
        });
        IReadOnlyList<string> atStop = [];

        var stopped = await new JobHarness(store, slots: 1).RunAsync(plan, stubborn, async (host, _) =>
        {
            await reached.Task;
            await host.Model(JobHarness.Tenant, plan.ComputeJobId()).StopAsync("asked to", resumable: true, CancellationToken.None);
            atStop = await store.NamesAsync("local/commits/");
            go.SetResult();
        });
        var after = await store.NamesAsync("local/commits/");
        var resumed = await new JobHarness(store).RunAsync(plan, new EchoRunner());

        Assert.Equal((JobStatus.Interrupted, "asked to"), (stopped.Status, stopped.Reason));
        Assert.Equal(atStop, after);
        Assert.Equal((JobStatus.Succeeded, 0, atStop.Count), (resumed.Status, resumed.Job.Run, resumed.Summary.Reused));
    }

    [Fact]
    public async Task A_cancelled_job_has_an_end_record_and_runs_again_as_a_new_run()
    {
        var (plan, store) = (JobHarness.Plan(), new MemoryBlobStore());
        var reached = new TaskCompletionSource();
        var obedient = new EchoRunner(async (unit, token) =>
        {
            if (unit.Id != "layer/1/step/0/select")
                return;
            reached.TrySetResult();
            await new TaskCompletionSource().Task.WaitAsync(token);
        });

        var cancelled = await new JobHarness(store).RunAsync(plan, obedient, async (host, stop) =>
        {
            await reached.Task;
            await host.Model(JobHarness.Tenant, plan.ComputeJobId()).StopAsync("not wanted", resumable: false, CancellationToken.None);
            await stop.CancelAsync();
        });
        var again = await new JobHarness(store).RunAsync(plan, new EchoRunner());

        Assert.Equal((JobStatus.Cancelled, 0), (cancelled.Status, cancelled.Job.Run));
        Assert.Equal((JobStatus.Succeeded, 1), (again.Status, again.Job.Run));
    }

    /// <summary>Waits for the other side before every unit, so that commits really meet.</summary>
    private static async Task<JobResult> RunBesideAsync(JobPlan plan, MemoryBlobStore store, Meeting meeting)
    {
        try
        {
            return await new JobHarness(store, slots: 1).RunAsync(plan, new EchoRunner((_, _) => meeting.ArriveAsync()));
        }
        finally
        {
            meeting.Leave();
        }
    }

    private static async Task RunToDeathAsync(JobPlan plan, FaultyBlobStore dying)
    {
        try
        {
            await new JobHarness(dying, slots: 1).RunAsync(plan, new EchoRunner());
        }
        catch (IOException)
        {
            // The kill came before there was a job, or hit the worker.
        }
    }

    /// <summary>Lets two sides go on in pairs, until one of them has left.</summary>
    private sealed class Meeting
    {
        private readonly Lock _lock = new();
        private TaskCompletionSource? _waiting;
        private bool _isAlone;

        public Task ArriveAsync()
        {
            lock (_lock)
            {
                if (_isAlone)
                    return Task.CompletedTask;
                if (_waiting is { } other)
                {
                    _waiting = null;
                    other.SetResult();
                    return Task.CompletedTask;
                }

                _waiting = new TaskCompletionSource(TaskCreationOptions.RunContinuationsAsynchronously);
                return _waiting.Task;
            }
        }

        public void Leave()
        {
            lock (_lock)
            {
                _isAlone = true;
                _waiting?.TrySetResult();
                _waiting = null;
            }
        }
    }
}
