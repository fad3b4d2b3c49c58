using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Server.Protocol;
using Orchestrator.Server.Tests.Api;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Server.Tests.Nodes;

public sealed class ServerNodeTests : IDisposable
{
    private static readonly TimeSpan s_minute = TimeSpan.FromMinutes(1);

    private readonly MemoryBlobStore _store = new();
    private readonly List<VirtualNode> _nodes = [];

    public void Dispose() => _nodes.ForEach(n => n.Dispose());

    [Fact]
    public void A_coordinator_that_fails_is_made_anew_and_its_jobs_go_on()
    {
        var node = Start();
        var worker = Worker(3, node);
        node.Submit(_store);
        Pass(s_minute, worker, node);
        var broken = node.Coordinator!;
        worker.Most = int.MaxValue;

        broken.Break(new InvalidOperationException("a mistake"));
        Pass(s_minute, worker, node);

        Assert.True(broken.IsDisposed);
        Assert.NotSame(broken, node.Coordinator);
        Assert.Equal(JobStatus.Succeeded, node.View().Status);
        Assert.Contains(node.Notices, n => n.Kind == "coordinator-failed");
    }

    [Fact]
    public void A_job_under_which_the_coordinator_fails_every_time_is_left_alone_until_someone_asks()
    {
        var node = Start();
        node.Submit(_store);
        var worker = Worker(0, node);

        var made = new HashSet<BreakableCoordinator>();
        for (var minute = 0; minute < 20; minute++)
        {
            Pass(s_minute, worker, node);
            if (node.Explain() == "coordinator-failed")
                break;
            made.Add(node.Coordinator!);
            node.Coordinator!.Break(new InvalidOperationException("a mistake"));
        }

        Pass(s_minute, worker, node);
        Assert.Equal("coordinator-failed", node.Explain());
        Assert.Equal(5, made.Count);
        worker.Most = int.MaxValue;
        node.Ask(active => active.Jobs.RetryAsync("local", TestJob.Id, CancellationToken.None));
        Pass(s_minute, worker, node);
        Assert.Equal(JobStatus.Succeeded, node.View().Status);
    }

    [Fact]
    public void A_store_that_is_away_for_a_while_is_told_and_the_job_goes_on_by_itself()
    {
        var isAway = false;
        // The heads stay within reach: otherwise the server itself would be deposed.
        var node = Start(new FaultyBlobStore(_store, (_, _, name) => isAway && !name.StartsWith("cluster/", StringComparison.Ordinal) ? StoreFault.Fail : StoreFault.None));
        var worker = Worker(3, node);
        node.Submit(_store);
        Pass(s_minute, worker, node);
        isAway = true;
        worker.Most = int.MaxValue;
        Pass(s_minute, worker, node);

        Assert.Equal("store-unavailable", node.Explain());
        isAway = false;
        Pass(2 * s_minute, worker, node);
        Assert.Equal(JobStatus.Succeeded, node.View().Status);
    }

    [Fact]
    public void A_store_that_is_away_altogether_costs_the_tenure_and_nothing_else()
    {
        var isAway = false;
        var node = Start(new FaultyBlobStore(_store, (_, _, _) => isAway ? StoreFault.Fail : StoreFault.None));
        var worker = Worker(3, node);
        node.Submit(_store);
        Pass(s_minute, worker, node);

        isAway = true;
        Pass(s_minute, worker, node);
        Assert.Null(node.Node.TryActive());
        isAway = false;
        worker.Most = int.MaxValue;
        Pass(2 * s_minute, worker, node);

        Assert.Equal(JobStatus.Succeeded, node.View().Status);
    }

    [Fact]
    public void Two_servers_over_one_store_and_one_is_paused_the_job_ends_with_the_same_result()
    {
        var alone = new MemoryBlobStore();
        var single = Start(alone);
        var its = new VirtualWorker(alone, single);
        its.Start();
        single.Submit(alone);
        VirtualProcess.Pass(s_minute, single.Process, its.Process);
        var expected = single.Ask(active => active.Jobs.OutcomeAsync("local", TestJob.Id, CancellationToken.None)).Result.Fold;
        var first = Start();
        var second = Start(_store, "second");
        var worker = Worker(4, first, second);
        first.Submit(_store);
        Pass(TimeSpan.FromSeconds(20), worker, first, second);

        first.Process.IsPaused = true;
        worker.Most = int.MaxValue;
        Pass(s_minute, worker, first, second);
        first.Process.IsPaused = false;
        Pass(s_minute, worker, first, second);

        Assert.Null(first.Node.TryActive());
        var outcome = second.Ask(active => active.Jobs.OutcomeAsync("local", TestJob.Id, CancellationToken.None));
        Assert.Equal((JobStatus.Succeeded, expected), (outcome.Result.Status, outcome.Result.Fold));
        Assert.True(outcome.Result.Summary.Reused > 0);
    }

    [Fact]
    public void A_pause_that_a_deposed_server_carries_out_is_not_answered_as_done()
    {
        VirtualNode? first = null;
        var isAsleepOverWish = false;
        first = Start(new FaultyBlobStore(_store, (_, operation, name) =>
        {
            // Asleep in the middle of it: the wish is written, and its answer is not heard before another server has taken over.
            if (isAsleepOverWish && operation == "replace" && name == BlobNames.JobHead("local", TestJob.Id))
                first!.Process.IsPaused = true;
            return StoreFault.None;
        }));
        var second = Start(_store, "second");
        first.Submit(_store);
        Pass(TimeSpan.FromSeconds(20), Worker(2, first, second), first, second);
        isAsleepOverWish = true;
        Exception? answer = null;
        var asked = first.Process.Start(async () =>
        {
            try
            {
                await first.Node.Active().Jobs.PauseAsync("local", TestJob.Id, CancellationToken.None);
            }
            catch (RefusedException refused)
            {
                answer = refused;
            }
        });

        VirtualProcess.Pass(s_minute, first.Process, second.Process);
        Assert.NotNull(second.Node.TryActive());
        Assert.Null(answer);
        isAsleepOverWish = false;
        first.Process.IsPaused = false;
        VirtualProcess.Pass(s_minute, first.Process, second.Process);

        Assert.True(asked.IsCompletedSuccessfully);
        Assert.Equal("standby", Assert.IsType<RefusedException>(answer).Code);
    }

    [Fact]
    public async Task A_job_whose_plan_is_damaged_says_so_and_is_not_tried_for_ever()
    {
        var first = Start();
        first.Submit(_store);
        first.Stop();
        VirtualProcess.Pass(TimeSpan.FromSeconds(15), first.Process);
        var name = BlobNames.Plan("local", TestJob.Id);
        await _store.DeleteAsync(name, CancellationToken.None);
        await _store.CreateAsync(name, "no plan"u8.ToArray(), CancellationToken.None);
        var operations = 0;
        var second = Start(new FaultyBlobStore(_store, (number, _, blob) =>
        {
            operations += blob == name ? 1 : 0;
            return StoreFault.None;
        }), "second");

        VirtualProcess.Pass(5 * s_minute, second.Process);

        Assert.Equal("plan-damaged", second.Explain());
        Assert.InRange(operations, 1, 5);
        // Whoever submits it again writes the plan anew.
        second.Submit(_store);
        var worker = Worker(int.MaxValue, second);
        Pass(s_minute, worker, second);
        Assert.Equal(JobStatus.Succeeded, second.View().Status);
    }

    [Fact]
    public void A_job_that_failed_is_not_started_again_by_the_next_server_but_by_a_retry()
    {
        var first = Start();
        var isSound = false;
        var worker = new VirtualWorker(_store, first) { Fails = unit => isSound || !unit.Id.StartsWith("layer/", StringComparison.Ordinal) ? null : new Failure("broken", "It cannot be done.", Retryable: false) };
        worker.Start();
        first.Submit(_store);
        Pass(s_minute, worker, first);
        Assert.Equal(JobStatus.Failed, first.View().Status);
        first.Stop();
        VirtualProcess.Pass(TimeSpan.FromSeconds(15), first.Process);

        var second = Start(_store, "second");
        Pass(s_minute, worker, second);
        Assert.Equal((JobState.Ended, JobStatus.Failed), (second.View().State, second.View().Status));
        Assert.Equal("ended", second.Explain());
        isSound = true;
        second.Ask(active => active.Jobs.RetryAsync("local", TestJob.Id, CancellationToken.None));
        var again = Worker(int.MaxValue, second);
        Pass(s_minute, again, second);

        Assert.Equal(JobStatus.Succeeded, second.View().Status);
    }

    [Fact]
    public void A_fresh_submission_is_begun_once_however_often_its_request_comes()
    {
        var node = Start();
        var worker = Worker(int.MaxValue, node);
        node.Submit(_store);
        Pass(s_minute, worker, node);
        var fresh = TestJob.Submission(fresh: true) with { Request = "only-once" };

        node.Ask(active => active.Jobs.SubmitAsync("local", fresh, CancellationToken.None));
        node.Ask(active => active.Jobs.SubmitAsync("local", fresh, CancellationToken.None));
        Pass(s_minute, worker, node);

        var outcome = node.Ask(active => active.Jobs.OutcomeAsync("local", TestJob.Id, CancellationToken.None));
        Assert.Equal((JobStatus.Succeeded, 1), (outcome.Result.Status, outcome.Result.Job.Generation));
        Assert.True(outcome.Result.Summary.Computed > 0);
    }

    private VirtualNode Start(IBlobStore? store = null, string name = "server")
    {
        var node = new VirtualNode(store ?? _store, name);
        _nodes.Add(node);
        node.Start();
        VirtualProcess.Pass(TimeSpan.FromSeconds(3), node.Process);
        return node;
    }

    private VirtualWorker Worker(int most, params IReadOnlyList<VirtualNode> nodes)
    {
        var worker = new VirtualWorker(_store, nodes) { Most = most };
        worker.Start();
        return worker;
    }

    private static void Pass(TimeSpan time, VirtualWorker worker, params IReadOnlyList<VirtualNode> nodes) =>
        VirtualProcess.Pass(time, [worker.Process, .. nodes.Select(n => n.Process)]);
}
