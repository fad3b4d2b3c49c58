using System.Net;
using System.Net.Http.Headers;
using System.Net.Sockets;
using System.Runtime.ExceptionServices;
using System.Text.Json;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Cli.Cluster;

/// <summary>
/// The way to whichever of several servers is the active one. A call goes to one after the other, the one that answered last first, until
/// one answers or nobody did for as long as the user wants to wait: long enough for a take-over.
/// </summary>
internal sealed class ServerConnection : IDisposable
{
    private const long LongestProblem = 1 << 20;

    private static readonly TimeSpan s_connect = TimeSpan.FromSeconds(3);

    /// <summary>After this an address is looked up again.</summary>
    private static readonly TimeSpan s_connectionLife = TimeSpan.FromMinutes(2);

    /// <summary>Between two rounds through all servers: a take-over takes seconds.</summary>
    private static readonly TimeSpan s_rest = TimeSpan.FromSeconds(1);

    private readonly IReadOnlyList<Uri> _servers;
    private readonly string? _key;
    private readonly TimeSpan _patience;
    private readonly TimeProvider _clock;
    private readonly HttpMessageInvoker _http;
    private int _active;

    /// <param name="servers">In the order to try them in.</param>
    /// <param name="key">Bearer key; null where the server wants none.</param>
    /// <param name="patience">How long to go on where no server answers.</param>
    public ServerConnection(IReadOnlyList<Uri> servers, string? key, TimeSpan patience, TimeProvider clock)
    {
        (_servers, _key, _patience, _clock) = (servers, key, patience, clock);
        _http = new HttpMessageInvoker(new SocketsHttpHandler
        {
            // A key is for the server it was given for.
            AllowAutoRedirect = false,
            UseCookies = false,
            ConnectTimeout = s_connect,
            PooledConnectionLifetime = s_connectionLife,
        });
    }

    /// <summary>Who is asked first.</summary>
    public Uri Active => _servers[_active];

    public TimeProvider Clock => _clock;

    public TimeSpan Patience => _patience;

    /// <summary>Told, in words for people, when something has to be waited for.</summary>
    public Action<string> Tell { get; set; } = static _ => { };

    public void Dispose() => _http.Dispose();

    /// <summary>The next call goes to another server first.</summary>
    public void GoOn() => _active = (_active + 1) % _servers.Count;

    /// <param name="read">Makes the answer of a response whose head has come; whatever of it is wanted later has to be taken out of it.</param>
    /// <exception cref="InputException">The server refuses the request or the key.</exception>
    /// <exception cref="ServerFaultException">No server answered.</exception>
    public async Task<T> CallAsync<T>(ServerRequest request, Func<HttpResponseMessage, StallTimer, Task<T>> read, CancellationToken cancellationToken)
    {
        var start = _clock.GetTimestamp();
        var reasons = new Dictionary<Uri, NoAnswerException>();
        var isTold = false;
        for (var tries = 1; ; tries++)
        {
            try
            {
                return await TryAsync(Active, request, read, cancellationToken);
            }
            catch (NoAnswerException none)
            {
                reasons[Active] = none;
                if (!request.IsRepeatable && !none.IsUntouched)
                    throw new ServerFaultException("answer-lost", Active.ToString(), $"Whether it was done is not known: {none.Message}", "See `orc describe`, then ask again.", none);
                GoOn();
            }

            if (tries % _servers.Count != 0)
                continue;
            if (_clock.GetElapsedTime(start) >= _patience)
                throw Away(reasons);
            if (!isTold)
                Tell($"No server answers as the active one; trying for {_patience.TotalSeconds:0} s ({Words(reasons)}).");
            isTold = true;
            await Task.Delay(s_rest, _clock, cancellationToken);
        }
    }

    private async Task<T> TryAsync<T>(Uri server, ServerRequest asked, Func<HttpResponseMessage, StallTimer, Task<T>> read, CancellationToken cancellationToken)
    {
        using var timer = new StallTimer(asked.Patience, _clock, cancellationToken);
        using var request = new HttpRequestMessage(asked.Method, new Uri(server.ToString().TrimEnd('/') + asked.Path)) { Content = asked.Content?.Invoke(timer) };
        if (_key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", _key);
        // A server that refuses an upload says so before it is sent.
        request.Headers.ExpectContinue = request.Content is BlobContent;
        HttpResponseMessage? response = null;
        var isKept = false;
        try
        {
            response = await _http.SendAsync(request, timer.Token);
            timer.Renew();
            if (!response.IsSuccessStatusCode && !(asked.MayBeMissing && response.StatusCode == HttpStatusCode.NotFound))
                throw await RefusalAsync(response, server, timer);
            var answer = await read(response, timer);
            isKept = asked.KeepsResponse;
            return answer;
        }
        catch (Exception failure) when (IsNoAnswer(failure, cancellationToken))
        {
            if (request.Content is BlobContent { SourceFault: { } fault })
                ExceptionDispatchInfo.Throw(fault);
            var isUntouched = failure is HttpRequestException { HttpRequestError: HttpRequestError.ConnectionError or HttpRequestError.NameResolutionError or HttpRequestError.SecureConnectionError };
            throw new NoAnswerException(Words(failure), null, isUntouched, failure);
        }
        catch (JsonException strange)
        {
            throw NoServer(server, "its answer is not one that this orc understands", strange);
        }
        finally
        {
            if (!isKept)
                response?.Dispose();
        }
    }

    private static async Task<Exception> RefusalAsync(HttpResponseMessage response, Uri server, StallTimer timer)
    {
        var code = (int)response.StatusCode;
        var problem = await ReadProblemAsync(response, timer);
        return response.StatusCode switch
        {
            HttpStatusCode.ServiceUnavailable => new NoAnswerException(problem?.Message ?? "it is not available (503)", problem, isUntouched: true),
            >= HttpStatusCode.InternalServerError and not HttpStatusCode.NotImplemented or HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests =>
                new NoAnswerException(problem?.Message ?? $"it answered {code}", problem, isUntouched: response.StatusCode == HttpStatusCode.TooManyRequests),
            _ when problem is not null => new InputException(problem.Code, problem.Subject, problem.Message, problem.Remedy),
            HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden =>
                new InputException("key-refused", server.ToString(), $"the server refuses the key ({code})", "Give the key of a tenant with --key-file."),
            _ => NoServer(server, $"it answered {code}", null),
        };
    }

    private static async Task<ProblemBody?> ReadProblemAsync(HttpResponseMessage response, StallTimer timer)
    {
        try
        {
            await response.Content.LoadIntoBufferAsync(LongestProblem, timer.Token);
            var problem = JsonSerializer.Deserialize<ProblemBody>(await response.Content.ReadAsByteArrayAsync(timer.Token), CanonicalJson.Options);
            return problem is { Code: not null, Message: not null } ? problem with { Subject = problem.Subject ?? "", Remedy = problem.Remedy ?? "" } : null;
        }
        catch (Exception unreadable) when (unreadable is JsonException or HttpRequestException or IOException)
        {
            return null;
        }
    }

    private static InputException NoServer(Uri server, string cause, Exception? inner) =>
        new("not-a-server", server.ToString(), $"this is no server of Orchestrator, or one of another version: {cause}", "Give the address of `orc serve` with --server.", inner);

    /// <summary>A fault of the file that an answer is written to is none of the server's: those who read wrap what they read from.</summary>
    private static bool IsNoAnswer(Exception failure, CancellationToken cancellationToken) =>
        failure is HttpRequestException or HttpIOException || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private ServerFaultException Away(Dictionary<Uri, NoAnswerException> reasons)
    {
        var telling = reasons.Values.FirstOrDefault(r => r.Problem is { Code: not "standby" })?.Problem;
        var waited = _patience > TimeSpan.Zero ? $" for {_patience.TotalSeconds:0} s" : "";
        return new ServerFaultException(
            telling?.Code ?? "server-away", string.Join(", ", _servers), $"No server answered as the active one{waited}: {Words(reasons)}",
            telling is { Remedy.Length: > 0 } ? telling.Remedy : "Check --server and that `orc serve` runs there, then ask again: what is committed is kept.", reasons.Values.Last());
    }

    private static string Words(Dictionary<Uri, NoAnswerException> reasons) => string.Join("; ", reasons.Select(r => $"{r.Key}: {r.Value.Message.TrimEnd('.')}"));

    private static string Words(Exception failure) => failure switch
    {
        OperationCanceledException => "it took too long",
        { InnerException: SocketException socket } => socket.Message,
        _ => failure.Message,
    };
}
