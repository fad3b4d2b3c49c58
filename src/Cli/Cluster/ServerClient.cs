using System.Net.Http.Json;
using System.Security.Cryptography;
using System.Text.Json;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Plans;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>What a user may ask of a server, typed. Every call may throw <see cref="InputException"/> where the server refuses and <see cref="ServerFaultException"/> where none answers.</summary>
internal sealed class ServerClient(ServerConnection connection) : IDisposable
{
    private const long LongestAnswer = 1L << 30;

    /// <summary>A server looks at every byte of an input before it says that it is sound.</summary>
    private static readonly TimeSpan s_reading = TimeSpan.FromMinutes(10);

    /// <summary>A server takes its time to put an input into a store that is slow.</summary>
    private static readonly TimeSpan s_writing = TimeSpan.FromMinutes(2);

    private static readonly TimeSpan s_silence = TimeSpan.FromSeconds(30);

    private const int MostCopies = 3;
    private const int CopyBuffer = 1 << 18;

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
        await foreach (var view in new LineStream(connection, s_silence).ReadAsync<JobView>(Routes.Watch(id), () => Task.FromResult(false), cancellationToken))
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
        await foreach (var line in new LineStream(connection, s_silence).ReadAsync<JobLogLine>(path, async () => !follow || await HasEndedAsync(), cancellationToken))
        {
            if (known.Add(line))
                yield return line;
        }

        async Task<bool> HasEndedAsync() => (await DescribeAsync(id, cancellationToken)).Job.State == JobState.Ended;
    }

    /// <summary>Whether the server has an input already, and sound.</summary>
    public Task<bool> HasInputAsync(SourceBlob input, CancellationToken cancellationToken) => connection.CallAsync(
        new ServerRequest(HttpMethod.Head, $"{Routes.Inputs}/{input.Sha256}") { Patience = s_reading, MayBeMissing = true },
        (response, _) => Task.FromResult(response.IsSuccessStatusCode), cancellationToken);

    /// <param name="write">Writes the content; called again where the server has to be asked again.</param>
    /// <param name="moved">Told the bytes that have been sent of this try.</param>
    public Task<bool> PutInputAsync(SourceBlob input, Func<Stream, CancellationToken, Task> write, Action<long> moved, CancellationToken cancellationToken) => connection.CallAsync(
        new ServerRequest(HttpMethod.Put, $"{Routes.Inputs}/{input.Sha256}")
        {
            Patience = s_writing,
            Content = timer =>
            {
                var sent = 0L;
                return new BlobContent(input.Length, write, bytes =>
                {
                    timer.Renew();
                    moved(sent += bytes);
                });
            },
        }, (_, _) => Task.FromResult(true), cancellationToken);

    /// <summary>Takes a job in; sent twice it is taken in once.</summary>
    public Task<JobView> SubmitAsync(JobSubmission submission, CancellationToken cancellationToken) => AskAsync<JobView>(
        new ServerRequest(HttpMethod.Post, Routes.Jobs) { Patience = s_writing, Content = _ => JsonContent.Create(submission, options: CanonicalJson.Options) }, cancellationToken);

    /// <summary>Copies a result out, and tries again where what came is not what it should be.</summary>
    /// <param name="path">Of its bytes.</param>
    /// <param name="target">Can be cut; starts over with every try.</param>
    /// <param name="moved">Told the bytes that have come of this try.</param>
    /// <exception cref="ServerFaultException">What comes is damaged.</exception>
    public async Task CopyAsync(string path, BlobRef expected, Stream target, Action<long> moved, CancellationToken cancellationToken)
    {
        var digest = "";
        for (var tries = 0; tries < MostCopies; tries++)
        {
            digest = await connection.CallAsync(ServerRequest.Get(path), async (response, timer) =>
            {
                target.SetLength(0);
                await using var source = await response.Content.ReadAsStreamAsync(timer.Token);
                return await CopyAsync(source, target, timer, moved);
            }, cancellationToken);
            if (digest == expected.Sha256)
                return;
            connection.Tell($"What came of '{path}' is damaged: its SHA-256 is {digest}. It is asked for again.");
        }

        throw new ServerFaultException(
            "download-damaged", path, $"{MostCopies} times what came had another SHA-256 than the job committed ({digest} for {expected.Sha256})",
            "Where a proxy lies between, go without it; `orc retry` makes a result again that is damaged in the store.");
    }

    private static async Task<string> CopyAsync(Stream source, Stream target, StallTimer timer, Action<long> moved)
    {
        using var hash = IncrementalHash.CreateHash(HashAlgorithmName.SHA256);
        var buffer = new byte[CopyBuffer];
        for (var total = 0L; ;)
        {
            var count = await ReadAsync(source, buffer, timer.Token);
            if (count == 0)
                return Convert.ToHexStringLower(hash.GetHashAndReset());
            timer.Renew();
            hash.AppendData(buffer, 0, count);
            await target.WriteAsync(buffer.AsMemory(0, count), timer.Token);
            moved(total += count);
        }
    }

    /// <summary>Faults of the network are told from those of the disk.</summary>
    private static async Task<int> ReadAsync(Stream source, byte[] buffer, CancellationToken cancellationToken)
    {
        try
        {
            return await source.ReadAsync(buffer, cancellationToken);
        }
        catch (IOException broken) when (broken is not HttpIOException)
        {
            throw new HttpIOException(HttpRequestError.ResponseEnded, broken.Message, broken);
        }
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
