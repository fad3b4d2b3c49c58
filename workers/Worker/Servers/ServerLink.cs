using System.Net;
using System.Net.Http.Headers;
using System.Net.Http.Json;
using System.Text.Json;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Servers;

/// <summary>The way to whichever of several servers is the active one. Remembers who answered last.</summary>
/// <remarks>Nothing is sent twice to one server by one call: whoever calls decides whether asking again makes sense.</remarks>
internal sealed class ServerLink(HttpMessageInvoker http, IReadOnlyList<Uri> servers, string? key, TimeProvider clock)
{
    private const long LongestAnswer = 64L << 20;

    private int _active;
    private int _losses;

    /// <summary>Who is asked first.</summary>
    public Uri Active => servers[Volatile.Read(ref _active)];

    /// <summary>How often a server did not answer or was not the active one: whoever answers then may know nothing of us.</summary>
    public int Losses => Volatile.Read(ref _losses);

    /// <summary>Asks the servers in turn until one answers, the active one first.</summary>
    /// <param name="patience">For one server's answer.</param>
    /// <returns>Null where the server says 404.</returns>
    /// <exception cref="IOException">None answered; whether one did what was asked is not known.</exception>
    /// <exception cref="RefusedException">The active server refuses what was sent.</exception>
    /// <exception cref="InputException">It refuses the key.</exception>
    public async Task<T?> AskAsync<T>(HttpMethod method, string path, object? body, TimeSpan patience, CancellationToken cancellationToken)
        where T : class
    {
        Exception? cause = null;
        for (var turn = 0; turn < servers.Count; turn++)
        {
            var asked = Volatile.Read(ref _active);
            try
            {
                using var response = await SendAsync(servers[asked], method, path, body, patience, cancellationToken);
                if (IsElsewhere(response.StatusCode))
                    throw new IOException($"{servers[asked]} answered {(int)response.StatusCode}.");
                return await ReadAsync<T>(response, servers[asked], cancellationToken);
            }
            catch (Exception failure) when (IsNoAnswer(failure, cancellationToken))
            {
                cause = failure;
                Interlocked.Increment(ref _losses);
                // Only if no other call has gone on already.
                Interlocked.CompareExchange(ref _active, (asked + 1) % servers.Count, asked);
            }
        }

        throw new IOException($"No server answered ({string.Join(", ", servers)}): {Words(cause!)}", cause);
    }

    private async Task<HttpResponseMessage> SendAsync(Uri server, HttpMethod method, string path, object? body, TimeSpan patience, CancellationToken cancellationToken)
    {
        using var late = new CancellationTokenSource(patience, clock);
        using var over = CancellationTokenSource.CreateLinkedTokenSource(late.Token, cancellationToken);
        using var request = new HttpRequestMessage(method, new Uri(server, path));
        if (key is not null)
            request.Headers.Authorization = new AuthenticationHeaderValue("Bearer", key);
        if (body is not null)
            request.Content = JsonContent.Create(body, body.GetType(), options: CanonicalJson.Options);
        var response = await http.SendAsync(request, over.Token);
        try
        {
            // While the clock runs: an answer that never ends is none.
            await response.Content.LoadIntoBufferAsync(LongestAnswer, over.Token);
            return response;
        }
        catch
        {
            response.Dispose();
            throw;
        }
    }

    private static async Task<T?> ReadAsync<T>(HttpResponseMessage response, Uri server, CancellationToken cancellationToken)
        where T : class
    {
        switch (response.StatusCode)
        {
            case HttpStatusCode.NotFound:
                return null;
            case HttpStatusCode.Unauthorized or HttpStatusCode.Forbidden:
                throw new InputException("key-refused", server.ToString(), $"the server refuses the key ({(int)response.StatusCode})", "Give the key of a worker with --key-file.");
        }

        if (!response.IsSuccessStatusCode)
            throw new RefusedException($"{server} refused with {(int)response.StatusCode}: {await response.Content.ReadAsStringAsync(cancellationToken)}");
        if (response.Content.Headers.ContentLength is 0)
            return JsonSerializer.Deserialize<T>("{}", CanonicalJson.Options);
        return await response.Content.ReadFromJsonAsync<T>(CanonicalJson.Options, cancellationToken) ?? throw new JsonException($"{server} answered nothing.");
    }

    /// <summary>Standby, overloaded, or a proxy before a server that is gone.</summary>
    private static bool IsElsewhere(HttpStatusCode code) => (int)code >= 500 || code is HttpStatusCode.RequestTimeout or HttpStatusCode.TooManyRequests;

    private static bool IsNoAnswer(Exception failure, CancellationToken cancellationToken) =>
        failure is HttpRequestException or JsonException or (IOException and not RefusedException)
        || (failure is OperationCanceledException && !cancellationToken.IsCancellationRequested);

    private static string Words(Exception cause) => cause is OperationCanceledException ? "it took too long." : cause.Message;
}

/// <summary>A server understood what was sent and does not take it; sending it again does not help.</summary>
internal sealed class RefusedException(string message) : IOException(message);
