using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Embedded.Tests;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Machines;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Silo.Tests;

/// <summary>Whole jobs on silos: every grain, message and state goes through Orleans.</summary>
public sealed class WholeJobTests
{
    private static readonly string s_job = EchoJob.Plan.ComputeJobId();

    private readonly MemoryBlobStore _store = new();

    [Theory]
    [InlineData(1)]
    [InlineData(3)]
    public async Task A_job_ends_as_on_the_embedded_host(int silos)
    {
        var expected = await EchoJob.RunAsync(new MemoryBlobStore(), new ManualClock());
        await using var cluster = await SiloCluster.StartAsync(_store, silos, SiloCluster.Calm);
        await using var workers = Workers(cluster).Start(silos + 1);
        var model = await StartAsync(cluster);

        var result = await model.ResultAsync(CancellationToken.None);

        Assert.Equal((JobStatus.Succeeded, null), (result.Status, result.Reason));
        Assert.Equal((expected.Fold, expected.Model!.Sha256), (result.Fold, result.Model!.Sha256));
        Assert.Equal((expected.Summary.Computed, 0), (result.Summary.Computed, result.Summary.Reused));
    }

    [Fact]
    public async Task Progress_streams_from_any_silo_and_ends_with_the_job()
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 2, SiloCluster.Calm);
        await StartAsync(cluster);
        var streams = cluster.Members.Select(m => m.Coordinator.Model(EchoJob.Tenant, s_job).WatchAsync(CancellationToken.None).GetAsyncEnumerator()).ToArray();
        foreach (var stream in streams)
        {
            Assert.True(await stream.MoveNextAsync());
            Assert.Equal((JobStatus.Running, "statistics", 0), (stream.Current.Status, stream.Current.Phase, stream.Current.UnitsDone));
        }

        await using var workers = Workers(cluster).Start(2);

        foreach (var stream in streams)
        {
            var last = stream.Current;
            while (await stream.MoveNextAsync())
                last = stream.Current;
            Assert.Equal((JobStatus.Succeeded, "ended"), (last.Status, last.Phase));
            Assert.Equal(last.UnitsTotal, last.UnitsDone);
            await stream.DisposeAsync();
        }
    }

    [Fact]
    public async Task A_job_is_started_once_paused_and_gone_on_with()
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 2, SiloCluster.Calm);
        var first = await StartAsync(cluster);
        await using (var workers = Workers(cluster))
        {
            var (some, stopped) = (new TaskCompletionSource(), new TaskCompletionSource());
            workers.Completing = done =>
            {
                if (done == 10)
                    some.SetResult();
                // Or the job might be over before it is stopped.
                return done < 10 ? Task.CompletedTask : stopped.Task;
            };
            workers.Start(1);
            await some.Task;
            await cluster.Members[1].Coordinator.Model(EchoJob.Tenant, s_job).StopAsync("enough", resumable: true, CancellationToken.None);
            var interrupted = await first.ResultAsync(CancellationToken.None);
            stopped.SetResult();
            Assert.Equal(JobStatus.Interrupted, interrupted.Status);
        }

        var again = await Task.WhenAll(cluster.Members.Select(m => m.Coordinator.Model(EchoJob.Tenant, s_job).StartAsync(Start, CancellationToken.None)));
        await using var others = Workers(cluster).Start(2);
        var result = await first.ResultAsync(CancellationToken.None);

        Assert.Equal(again[0], again[1]);
        Assert.Equal(JobStatus.Succeeded, result.Status);
        Assert.InRange(result.Summary.Reused, 1, result.Summary.Computed + result.Summary.Reused - 1);
    }

    [Fact]
    public async Task After_a_cancel_nothing_is_committed_and_the_end_is_recorded()
    {
        await using var cluster = await SiloCluster.StartAsync(_store, 2, SiloCluster.Calm);
        var model = await StartAsync(cluster);
        var (some, cancelled) = (new TaskCompletionSource(), new TaskCompletionSource());
        await using var workers = Workers(cluster);
        workers.Completing = done =>
        {
            if (done == 5)
                some.SetResult();
            // Those under way tell their ends afterwards; or the job might be over before.
            return done < 5 ? Task.CompletedTask : cancelled.Task;
        };
        workers.Start(3);
        await some.Task;

        await model.StopAsync("not wanted any more", resumable: false, CancellationToken.None);
        var committed = await _store.NamesAsync("local/commits/");
        cancelled.SetResult();
        var result = await model.ResultAsync(CancellationToken.None);
        await workers.StopAsync();

        Assert.Equal((JobStatus.Cancelled, "not wanted any more"), (result.Status, result.Reason));
        Assert.Equal(committed, await _store.NamesAsync("local/commits/"));
        Assert.NotEmpty(await _store.NamesAsync($"local/jobs/{s_job}/g0/ends/"));
    }

    [Fact]
    public async Task A_store_that_fails_ends_the_job_with_the_reason()
    {
        var failing = new FaultyBlobStore(_store, (_, _, name) => name.StartsWith("local/commits/", StringComparison.Ordinal) ? StoreFault.Fail : StoreFault.None);
        await using var cluster = await SiloCluster.StartAsync(failing, 2, SiloCluster.Calm);
        var model = await StartAsync(cluster);

        var result = await model.ResultAsync(CancellationToken.None);

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.Contains("local/commits/", result.Reason, StringComparison.Ordinal);
        Assert.All(cluster.Members, m => Assert.False(m.Coordinator.Fault.IsCompleted));
    }

    [Fact]
    public async Task A_store_that_is_damaged_is_refused_with_the_remedy_on_any_silo()
    {
        await EchoJob.ImportAsync(_store);
        await _store.ReplaceAsync(
            $"local/jobs/{s_job}/generation.head",
            """{"body":{"generation":1},"schema":9,"sha256":"30bd2d33d6acb1b3d5b6fb4da0ce1e1b42a1a3c3a6a6f3a3f5d9b5c9a7e3c1d0"}"""u8.ToArray(), null, CancellationToken.None);
        await using var cluster = await SiloCluster.StartAsync(_store, 2, SiloCluster.Calm);

        foreach (var member in cluster.Members)
        {
            var refused = await Assert.ThrowsAsync<InputException>(() => member.Coordinator.Model(EchoJob.Tenant, s_job).StartAsync(Start, CancellationToken.None));
            Assert.Equal(("store-damaged", $"local/jobs/{s_job}/generation.head"), (refused.Code, refused.Subject));
            Assert.NotEmpty(refused.Remedy);
        }
    }

    private static JobStart Start { get; } = new(EchoJob.Tenant, EchoJob.Plan, Fresh: false);

    private async Task<IModelGrain> StartAsync(SiloCluster cluster)
    {
        await EchoJob.ImportAsync(_store);
        var model = cluster.Members[0].Coordinator.Model(EchoJob.Tenant, s_job);
        await model.StartAsync(Start, CancellationToken.None);
        return model;
    }

    private EchoWorkers Workers(SiloCluster cluster) => new(_store, () => [.. cluster.Members.Select(m => m.Coordinator)]);
}
