using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Machines;
using Orchestrator.TestKit.Jobs;
using Orchestrator.TestKit.Stores;
using Orchestrator.TestKit.Time;

namespace Orchestrator.Embedded.Tests;

public sealed class EmbeddedHostTests
{
    private readonly MemoryBlobStore _store = new();
    private readonly ManualClock _clock = new();

    [Fact]
    public async Task A_key_has_one_activation()
    {
        await using var host = Host();

        Assert.Same(host.Model("local", "job"), host.Model("local", "job"));
        Assert.NotSame(host.Model("local", "job"), host.Model("local", "another"));
    }

    [Fact]
    public async Task State_is_kept_under_its_ETag_and_found_by_the_next_host()
    {
        await using (var host = Host())
            await GrainHost(host).UpdateStateAsync<Counter>(_ => new Counter(3), CancellationToken.None);

        await using var later = Host();
        var state = await GrainHost(later).UpdateStateAsync<Counter>(old => new Counter(old!.Value + 1), CancellationToken.None);

        Assert.Equal(4, state.Value);
    }

    [Fact]
    public async Task A_message_that_fails_faults_the_host()
    {
        await using var host = Host();

        GrainHost(host).Post(() => Task.FromException(new InvalidOperationException("lost")));

        Assert.Equal("lost", (await host.Fault).Message);
    }

    [Fact]
    public async Task Timers_run_as_turns_by_the_clock_until_they_are_disposed_or_the_host_ends()
    {
        var host = Host();
        var (disposed, ended) = (0, 0);
        var first = GrainHost(host).StartTimer(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), () => Task.FromResult(disposed++));
        GrainHost(host).StartTimer(TimeSpan.FromSeconds(1), TimeSpan.FromSeconds(1), () => Task.FromResult(ended++));

        _clock.Advance(TimeSpan.FromSeconds(2.5));
        first.Dispose();
        _clock.Advance(TimeSpan.FromSeconds(1));
        await host.DisposeAsync();
        _clock.Advance(TimeSpan.FromSeconds(5));

        Assert.Equal((2, 3), (disposed, ended));
    }

    [Fact]
    public async Task Progress_begins_where_the_job_is_and_ends_with_it()
    {
        await using var host = Host();
        var plan = SampleJobs.Plan();
        var model = host.Model("local", plan.ComputeJobId());
        await model.StartAsync(new JobStart("local", plan, Fresh: false), CancellationToken.None);
        var progress = model.WatchAsync(CancellationToken.None).GetAsyncEnumerator();
        Assert.True(await progress.MoveNextAsync());
        Assert.Equal((JobStatus.Running, "statistics", 0), (progress.Current.Status, progress.Current.Phase, progress.Current.UnitsDone));

        await model.StopAsync("enough", resumable: true, CancellationToken.None);
        var last = progress.Current;
        while (await progress.MoveNextAsync())
            last = progress.Current;

        Assert.Equal((JobStatus.Interrupted, "ended"), (last.Status, last.Phase));
        Assert.Equal(JobStatus.Interrupted, (await model.ResultAsync(CancellationToken.None)).Status);
    }

    [Fact]
    public async Task A_job_that_runs_is_joined_not_started_twice()
    {
        await using var host = Host();
        var plan = SampleJobs.Plan();
        var model = host.Model("local", plan.ComputeJobId());

        var first = await model.StartAsync(new JobStart("local", plan, Fresh: true), CancellationToken.None);
        var second = await model.StartAsync(new JobStart("local", plan, Fresh: true), CancellationToken.None);

        Assert.Equal(first, second);
    }

    [Fact]
    public async Task A_store_that_fails_ends_the_job_with_the_reason()
    {
        var failing = new FaultyBlobStore(_store, (_, _, name) => name.StartsWith("local/commits/", StringComparison.Ordinal) ? StoreFault.Fail : StoreFault.None);
        await using var host = new EmbeddedHost(failing, EmbeddedHostOptions.Default, _clock);
        var plan = SampleJobs.Plan();
        var model = host.Model("local", plan.ComputeJobId());

        await model.StartAsync(new JobStart("local", plan, Fresh: false), CancellationToken.None);
        var result = await model.ResultAsync(CancellationToken.None);

        Assert.Equal(JobStatus.Failed, result.Status);
        Assert.Contains("local/commits/", result.Reason, StringComparison.Ordinal);
    }

    private EmbeddedHost Host() => new(_store, EmbeddedHostOptions.Default, _clock);

    private static EmbeddedGrainHost GrainHost(EmbeddedHost host) => new(host, "test", turn => turn());

    private sealed record Counter(int Value);
}
