using System.Net;
using System.Text.Json;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Tests.Api;

public sealed class JobApiTests
{
    private readonly MemoryBlobStore _store = new();

    [Fact]
    public async Task A_job_is_submitted_worked_on_watched_and_fetched()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        using var over = new CancellationTokenSource();
        var submitted = await TestJob.SubmitAsync(client);
        await TestJob.UntilAsync(client, "no-worker");
        var working = new EchoWorker(() => client, _store).RunAsync(over.Token);

        var end = await TestJob.EndAsync(client, submitted.Id);

        Assert.Equal((JobState.Ended, JobStatus.Succeeded), (end.State, end.Status));
        Assert.Equal(end.UnitsTotal, end.UnitsDone);
        var outcome = await client.GetAsync<JobOutcome>(Routes.Outcome(submitted.Id));
        Assert.Equal(end.UnitsDone, outcome.Result.Summary.Computed);
        var model = await client.GetByteArrayAsync(Routes.Model(submitted.Id));
        Assert.Equal(outcome.Result.Model!.Sha256, TestJob.Digest(model));
        var log = (await client.GetStringAsync(Routes.Logs(submitted.Id) + "?follow=true")).Split('\n', StringSplitOptions.RemoveEmptyEntries);
        Assert.Equal("ended", JsonSerializer.Deserialize<JobLogLine>(log[^1], CanonicalJson.Options)!.Kind);
        Assert.Equal(3, log.Count(line => line.Contains("layer-solved", StringComparison.Ordinal)));
        Assert.Equal("ended", (await client.GetAsync<JobExplanation>(Routes.Explain(submitted.Id))).Code);
        Assert.Equal([submitted.Id], (await client.GetAsync<JobView[]>(Routes.Jobs)).Select(j => j.Id));
        await over.CancelAsync();
        await working;
    }

    [Fact]
    public async Task A_pause_holds_the_job_until_it_is_resumed_and_a_cancel_ends_it()
    {
        await using var server = await TestServer.StartAsync(_store);
        using var client = await server.ActiveAsync();
        using var over = new CancellationTokenSource();
        var third = new TaskCompletionSource();
        EchoWorker? worker = null;
        worker = new EchoWorker(() => client, _store)
        {
            Before = _ =>
            {
                if (worker!.Done == 3)
                    third.TrySetResult();
                return Task.CompletedTask;
            },
        };
        var id = (await TestJob.SubmitAsync(client)).Id;
        var working = worker.RunAsync(over.Token);
        await third.Task;

        var paused = await client.PostAsync<JobView>(Routes.Act(id, "pause"));
        var commits = await CommitsAsync();
        Assert.Equal(JobState.Paused, paused.State);
        Assert.Equal("paused", (await client.GetAsync<JobExplanation>(Routes.Explain(id))).Code);
        Assert.Equal(commits, await CommitsAsync());
        await client.PostAsync<JobView>(Routes.Act(id, "resume"));
        var cancelled = await client.PostAsync<JobView>(Routes.Act(id, "cancel"));
        commits = await CommitsAsync();

        Assert.Equal((JobState.Ended, JobStatus.Cancelled), (cancelled.State, cancelled.Status));
        Assert.Equal("job-cancelled", (await TestJob.RefusedAsync(await client.SendJsonAsync(Routes.Act(id, "pause"), null), HttpStatusCode.Conflict)).Code);
        Assert.Equal(JobStatus.Cancelled, (await client.GetAsync<JobOutcome>(Routes.Outcome(id))).Result.Status);
        Assert.Equal(commits, await CommitsAsync());
        await client.PostAsync<JobView>(Routes.Act(id, "retry"));
        Assert.Equal(JobStatus.Succeeded, (await TestJob.EndAsync(client, id)).Status);
        await over.CancelAsync();
        await working;
    }

    private async Task<int> CommitsAsync()
    {
        var count = 0;
        await foreach (var entry in _store.ListAsync("local/commits/", CancellationToken.None))
            count += entry.Name.EndsWith(".head", StringComparison.Ordinal) ? 0 : 1;
        return count;
    }
}
