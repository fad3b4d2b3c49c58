using System.Net;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Server.Protocol;
using Orchestrator.TestKit.Stores;

namespace Orchestrator.Server.Tests.Api;

public sealed class TakeOverTests
{
    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task A_standby_refuses_everything_but_itself_and_names_the_active_server()
    {
        await using var first = await TestServer.StartAsync(_store, "first");
        using var client = await first.ActiveAsync();
        await using var second = await TestServer.StartAsync(_store, "second");
        using var standby = second.Client();

        var refused = await TestJob.RefusedAsync(await standby.GetAsync(Routes.Jobs), HttpStatusCode.ServiceUnavailable);
        var view = await standby.GetAsync<ServerView>(Routes.Server);

        Assert.Equal("standby", refused.Code);
        Assert.Equal((ServerRole.Standby, "second"), (view.Role, view.Name));
        Assert.Equal(HttpStatusCode.ServiceUnavailable, (await standby.GetAsync(Routes.Ready)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await standby.GetAsync(Routes.Live)).StatusCode);
        Assert.Equal(HttpStatusCode.OK, (await client.GetAsync(Routes.Ready)).StatusCode);
    }

    [Fact]
    public async Task A_server_dies_and_the_next_one_finishes_its_job_with_the_same_result()
    {
        var expected = await AloneAsync();
        var isDead = false;
        // What a dead process still tries does not reach the store, and it releases nothing.
        var mortal = new FaultyBlobStore(_store, (_, _, _) => Volatile.Read(ref isDead) ? StoreFault.Fail : StoreFault.None);
        var first = await TestServer.StartAsync(mortal, "first");
        using var before = await first.ActiveAsync();
        await using var second = await TestServer.StartAsync(_store, "second");
        using var after = second.Client();
        var current = before;
        var third = new TaskCompletionSource();
        EchoWorker? worker = null;
        worker = new EchoWorker(() => Volatile.Read(ref current), _store)
        {
            Before = _ =>
            {
                if (worker!.Done == 3)
                    third.TrySetResult();
                return Task.CompletedTask;
            },
        };
        using var over = new CancellationTokenSource();
        var id = (await TestJob.SubmitAsync(before)).Id;
        var working = worker.RunAsync(over.Token);
        await third.Task;

        Volatile.Write(ref isDead, true);
        Volatile.Write(ref current, after);
        await second.ActiveAsync();
        var end = await TestJob.EndAsync(after, id);

        Assert.Equal(JobStatus.Succeeded, end.Status);
        Assert.True(end.UnitsReused > 0);
        var outcome = await after.GetAsync<JobOutcome>(Routes.Outcome(id));
        Assert.Equal(expected, (outcome.Result.Fold, outcome.Result.Model!.Sha256));
        Assert.Equal(2, (await after.GetAsync<ServerView>(Routes.Server)).Term);
        Assert.Contains(outcome.Incidents, i => i.Kind == "take-over");
        await over.CancelAsync();
        await working;
        await first.DisposeAsync();
    }

    [Theory]
    [InlineData("pause", JobState.Paused)]
    [InlineData("cancel", JobState.Ended)]
    public async Task What_was_wished_holds_after_a_take_over(string wish, JobState expected)
    {
        var first = await TestServer.StartAsync(_store, "first");
        using (var client = await first.ActiveAsync())
        {
            await TestJob.SubmitAsync(client);
            await client.PostAsync<JobView>(Routes.Act(TestJob.Id, wish));
        }

        await first.DisposeAsync();
        await using var second = await TestServer.StartAsync(_store, "second");
        using var next = await second.ActiveAsync();
        var job = (await next.GetAsync<JobDescription>(Routes.Job(TestJob.Id))).Job;

        Assert.Equal(expected, job.State);
        Assert.Equal("sample", job.Name);
    }

    [Fact]
    public async Task An_ended_job_is_told_by_the_next_server_as_by_the_one_that_saw_it_end()
    {
        var first = await TestServer.StartAsync(_store, "first");
        JobOutcome told;
        using (var client = await first.ActiveAsync())
        {
            using var over = new CancellationTokenSource();
            await TestJob.SubmitAsync(client);
            var working = new EchoWorker(() => client, _store).RunAsync(over.Token);
            await TestJob.EndAsync(client, TestJob.Id);
            told = await client.GetAsync<JobOutcome>(Routes.Outcome(TestJob.Id));
            await over.CancelAsync();
            await working;
        }

        await first.DisposeAsync();
        await using var second = await TestServer.StartAsync(_store, "second");
        using var next = await second.ActiveAsync();
        var outcome = await next.GetAsync<JobOutcome>(Routes.Outcome(TestJob.Id));

        Assert.Equal((told.Result.Fold, told.Result.Model, told.Result.Status), (outcome.Result.Fold, outcome.Result.Model, outcome.Result.Status));
        Assert.Equal(told.Result.Summary.Computed, outcome.Result.Summary.Reused);
        Assert.Equal(told.Result.Summary.Layers.Select(l => (l.Index, l.Loss, l.Weights)), outcome.Result.Summary.Layers.Select(l => (l.Index, l.Loss, l.Weights)));
        Assert.Equal(told.Result.Summary.Compressed, outcome.Result.Summary.Compressed);
        var log = await next.GetStringAsync(Routes.Logs(TestJob.Id));
        Assert.Equal(3, log.Split('\n').Count(line => line.Contains("layer-solved", StringComparison.Ordinal)));
    }

    /// <summary>What the job comes to on one server that lives.</summary>
    private static async Task<(string Fold, string Model)> AloneAsync()
    {
        var store = new MemoryBlobStore();
        await using var server = await TestServer.StartAsync(store, "alone");
        using var client = await server.ActiveAsync();
        using var over = new CancellationTokenSource();
        await TestJob.SubmitAsync(client);
        var working = new EchoWorker(() => client, store).RunAsync(over.Token);
        await TestJob.EndAsync(client, TestJob.Id);
        var outcome = await client.GetAsync<JobOutcome>(Routes.Outcome(TestJob.Id));
        await over.CancelAsync();
        await working;
        return (outcome.Result.Fold, outcome.Result.Model!.Sha256);
    }
}
