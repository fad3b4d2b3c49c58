using Microsoft.AspNetCore.Http;
using Orchestrator.Cli.Cluster;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Tests.Cluster;

public sealed class LineStreamTests
{
    private readonly List<string> _told = [];

    [Fact]
    public async Task A_watch_goes_on_at_the_server_that_takes_over_and_says_so()
    {
        await using var second = await FakeServer.StartAsync(context => FakeServer.LinesAsync(context, SampleJobs.Running with { UnitsDone = 20 }, SampleJobs.Succeeded));
        var gone = false;
        var seen = new List<int>();
        var read = new TaskCompletionSource();
        await using var first = await FakeServer.StartAsync(async context =>
        {
            if (gone)
            {
                await FakeServer.Standby(context);
                return;
            }

            gone = true;
            await FakeServer.LinesAsync(context, SampleJobs.Running);
            await read.Task;
            context.Abort();
        });
        using var client = Connect(10, first.Address, second.Address);

        await foreach (var view in client.WatchAsync("x", CancellationToken.None))
        {
            seen.Add(view.UnitsDone);
            read.TrySetResult();
        }

        Assert.Equal([10, 20, 40], seen);
        Assert.Equal(2, _told.Count);
        Assert.Contains("lost", _told[0], StringComparison.Ordinal);
        Assert.Contains(second.Address, _told[1], StringComparison.Ordinal);
    }

    [Fact]
    public async Task A_line_of_a_log_that_comes_again_after_a_take_over_is_told_once()
    {
        JobLogLine[] lines = [.. Enumerable.Range(0, 3).Select(i => new JobLogLine(SampleJobs.Noon.AddSeconds(i), "retry", null, $"line {i}"))];
        var connections = 0;
        var seen = new List<JobLogLine>();
        var read = new TaskCompletionSource();
        await using var server = await FakeServer.StartAsync(async context =>
        {
            if (context.Request.Path == Routes.Job("x"))
            {
                await FakeServer.WriteAsync(context, 200, new JobDescription(SampleJobs.Succeeded, "model", "profile", [], [], []));
                return;
            }

            if (Interlocked.Increment(ref connections) == 1)
            {
                await FakeServer.LinesAsync(context, lines[..2]);
                await read.Task;
                context.Abort();
                return;
            }

            await FakeServer.LinesAsync(context, lines);
        });
        using var client = Connect(10, server.Address);

        await foreach (var line in client.LogAsync("x", follow: true, CancellationToken.None))
        {
            seen.Add(line);
            if (seen.Count == 2)
                read.TrySetResult();
        }

        Assert.Equal(lines, seen);
        Assert.Equal(2, connections);
    }

    [Fact]
    public async Task A_connection_that_says_nothing_is_made_anew_without_a_word()
    {
        var connections = 0;
        await using var server = await FakeServer.StartAsync(async context =>
        {
            var isFirst = Interlocked.Increment(ref connections) == 1;
            await FakeServer.LinesAsync(context, isFirst ? SampleJobs.Running : SampleJobs.Succeeded);
            if (isFirst)
                await new TaskCompletionSource().Task.WaitAsync(context.RequestAborted);
        });
        using var connection = new ServerConnection([new Uri(server.Address)], null, TimeSpan.Zero, TimeProvider.System) { Tell = _told.Add };
        var stream = new LineStream(connection, TimeSpan.FromMilliseconds(300));

        var seen = await stream.ReadAsync<JobView>("/watch", () => Task.FromResult(true), CancellationToken.None).ToListAsync();

        Assert.Equal([SampleJobs.Running, SampleJobs.Succeeded], seen);
        Assert.Empty(_told);
    }

    [Fact]
    public async Task A_server_that_breaks_off_every_answer_is_given_up()
    {
        await using var server = await FakeServer.StartAsync(async context =>
        {
            await context.Response.Body.FlushAsync();
            context.Abort();
        });
        using var client = Connect(0, server.Address);

        var fault = await Assert.ThrowsAsync<ServerFaultException>(async () => await client.WatchAsync("x", CancellationToken.None).ToListAsync());

        Assert.Equal("server-away", fault.Code);
    }

    private ServerClient Connect(int patience, params string[] servers) =>
        new(new ServerConnection([.. servers.Select(server => new Uri(server))], null, TimeSpan.FromSeconds(patience), TimeProvider.System) { Tell = _told.Add });
}
