using System.Net;
using System.Text.Json;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>What a user may ask of a server, typed. Every call may throw <see cref="InputException"/> where the server refuses and <see cref="ServerFaultException"/> where none answers.</summary>
internal sealed class ServerClient(ServerConnection connection) : IDisposable
{
    private const long LongestAnswer = 1L << 30;

    /// <summary>A server looks at every byte of an input before it says that it is sound.</summary>
    private static readonly TimeSpan s_reading = TimeSpan.FromMinutes(10);

    public ServerConnection Connection => connection;

    public void Dispose() => connection.Dispose();

    public Task<ServerView> ServerAsync(CancellationToken cancellationToken) => AskAsync<ServerView>(ServerRequest.Get(Routes.Server), cancellationToken);

    public async Task<IReadOnlyList<WorkerView>> WorkersAsync(CancellationToken cancellationToken) => await AskAsync<WorkerView[]>(ServerRequest.Get(Routes.Workers), cancellationToken);

    /// <summary>Newest first.</summary>
    public async Task<IReadOnlyList<JobView>> JobsAsync(CancellationToken cancellationToken) => await AskAsync<JobView[]>(ServerRequest.Get(Routes.Jobs), cancellationToken);

    public Task<JobDescription> DescribeAsync(string id, CancellationToken cancellationToken) => AskAsync<JobDescription>(ServerRequest.Get(Routes.Job(id)), cancellationToken);

    public Task<JobExplanation> ExplainAsync(string id, CancellationToken cancellationToken) => AskAsync<JobExplanation>(ServerRequest.Get(Routes.Explain(id)), cancellationToken);

    public Task<JobOutcome> OutcomeAsync(string id, CancellationToken cancellationToken) => AskAsync<JobOutcome>(ServerRequest.Get(Routes.Outcome(id)), cancellationToken);

    /// <param name="verb"><c>pause</c>, <c>resume</c>, <c>cancel</c> or <c>retry</c>.</param>
    /// <param name="isRepeatable">Asked twice it does what it does once.</param>
    public Task<JobView> ActAsync(string id, string verb, bool isRepeatable, CancellationToken cancellationToken) =>
        AskAsync<JobView>(new ServerRequest(HttpMethod.Post, Routes.Act(id, verb)) { IsRepeatable = isRepeatable }, cancellationToken);

    /// <summary>A job as it goes on, until it has ended. After a loss the active server is found and goes on with it.</summary>
    public async IAsyncEnumerable<JobView> WatchAsync(string id, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        await foreach (var view in new LineStream(connection).ReadAsync<JobView>(Routes.Watch(id), () => Task.FromResult(false), cancellationToken))
        {
            yield return view;
            if (view.State == JobState.Ended)
                yield break;
        }
    }

    /// <summary>Each line of a job's log once.</summary>
    /// <param name="follow">Until the job has ended.</param>
    public async IAsyncEnumerable<JobLogLine> LogAsync(string id, bool follow, [System.Runtime.CompilerServices.EnumeratorCancellation] CancellationToken cancellationToken)
    {
        var known = new HashSet<JobLogLine>();
        var path = Routes.Logs(id) + (follow ? "?follow=true" : "");
        await foreach (var line in new LineStream(connection).ReadAsync<JobLogLine>(path, async () => !follow || await HasEndedAsync(), cancellationToken))
        {
            if (known.Add(line))
                yield return line;
        }

        async Task<bool> HasEndedAsync() => (await DescribeAsync(id, cancellationToken)).Job.State == JobState.Ended;
    }

    private Task<T> AskAsync<T>(ServerRequest request, CancellationToken cancellationToken)
        where T : class => connection.CallAsync(request, ReadAsync<T>, cancellationToken);

    private static async Task<T> ReadAsync<T>(HttpResponseMessage response, StallTimer timer)
        where T : class
    {
        await response.Content.LoadIntoBufferAsync(LongestAnswer, timer.Token);
        await using var content = await response.Content.ReadAsStreamAsync(timer.Token);
        return await JsonSerializer.DeserializeAsync<T>(content, CanonicalJson.Options, timer.Token) ?? throw new JsonException("The answer is empty.");
    }
}
