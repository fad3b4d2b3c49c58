using System.Text.Json;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Worker.Servers;

/// <summary>
/// A coordinator behind HTTP. A call goes to one server after the other until one answers, and ends with an <see cref="IOException"/> where
/// none does; the worker registers by itself wherever it is not known yet.
/// </summary>
public sealed class HttpScheduler : IWorkerScheduler, IDisposable
{
    /// <summary>What an answer may take beyond the time that the server itself lets it wait.</summary>
    private static readonly TimeSpan s_answer = TimeSpan.FromSeconds(5);

    private static readonly TimeSpan s_connect = TimeSpan.FromSeconds(3);

    /// <summary>After this an address is looked up again.</summary>
    private static readonly TimeSpan s_connectionLife = TimeSpan.FromMinutes(2);

    private readonly WorkerRegistration _registration;
    private readonly HttpMessageInvoker _http;
    private readonly ServerLink _link;
    private readonly Action<Uri, WorkerTerms> _registered;
    private Registered? _at;

    /// <param name="servers">In the order to try them in.</param>
    /// <param name="key">Bearer key; null where the server wants none.</param>
    /// <param name="registered">Told after every registration, the first one and those after a take-over.</param>
    public HttpScheduler(IReadOnlyList<Uri> servers, string? key, WorkerRegistration registration, Action<Uri, WorkerTerms> registered, TimeProvider clock)
        : this(OpenNetwork(), servers, key, registration, registered, clock)
    {
    }

    /// <param name="network">What carries the messages; it goes with the scheduler.</param>
    /// <param name="servers">In the order to try them in.</param>
    /// <param name="key">Bearer key; null where the server wants none.</param>
    /// <param name="registered">Told after every registration, the first one and those after a take-over.</param>
    public HttpScheduler(
        HttpMessageHandler network, IReadOnlyList<Uri> servers, string? key, WorkerRegistration registration, Action<Uri, WorkerTerms> registered, TimeProvider clock)
    {
        (_registration, _registered) = (registration, registered);
        _http = new HttpMessageInvoker(network);
        _link = new ServerLink(_http, servers, key, clock);
    }

    /// <summary>Makes the worker known.</summary>
    /// <exception cref="IOException">No server answered.</exception>
    /// <exception cref="Jobs.InputException">The key is refused.</exception>
    public async Task<WorkerTerms> RegisterAsync(CancellationToken cancellationToken)
    {
        var terms = await _link.AskAsync<WorkerTerms>(HttpMethod.Post, WorkerRoutes.Registrations, _registration, s_answer, cancellationToken)
            ?? throw new IOException($"{_link.Active} knows no workers: it is no server of this version.");
        var at = new Registered(_link.Losses, terms);
        Volatile.Write(ref _at, at);
        _registered(_link.Active, terms);
        return terms;
    }

    /// <summary>Tells that the worker takes no more units.</summary>
    /// <exception cref="IOException">No server answered.</exception>
    public Task DeregisterAsync(CancellationToken cancellationToken) =>
        _link.AskAsync<object>(HttpMethod.Delete, WorkerRoutes.Registration(_registration.Worker), null, s_answer, cancellationToken);

    public async Task<IReadOnlyList<Lease>> LeaseAsync(LeaseRequest request, CancellationToken cancellationToken) =>
        await CallAsync<Lease[]>(WorkerRoutes.Leases, request, terms => terms.LongPoll + s_answer, cancellationToken);

    public async Task<IReadOnlyList<Epoch>> HeartbeatAsync(Heartbeat heartbeat, CancellationToken cancellationToken) =>
        await CallAsync<Epoch[]>(WorkerRoutes.Heartbeats, heartbeat, terms => terms.HeartbeatEvery, cancellationToken);

    public async Task<bool> CompleteAsync(Epoch epoch, Outcome outcome, CancellationToken cancellationToken)
    {
        try
        {
            return await CallAsync<object>(WorkerRoutes.Completions, new Completion(_registration.Worker, epoch, outcome), _ => s_answer, cancellationToken)
                is JsonElement { ValueKind: JsonValueKind.True };
        }
        catch (RefusedException)
        {
            // What this server does not take from this worker it takes from no other: the unit is tried elsewhere when the lease ends.
            return false;
        }
    }

    /// <summary>Asks for rights on blobs of a unit whose lease is held.</summary>
    /// <exception cref="IOException">No server answered, or it refuses.</exception>
    public async Task<IReadOnlyList<BlobGrant>> GrantAsync(GrantRequest request, CancellationToken cancellationToken) =>
        await CallAsync<BlobGrant[]>(WorkerRoutes.Grants, request, _ => s_answer, cancellationToken);

    public void Dispose() => _http.Dispose();

    private static SocketsHttpHandler OpenNetwork() => new()
    {
        // A key is for the server it was given for.
        AllowAutoRedirect = false,
        UseCookies = false,
        ConnectTimeout = s_connect,
        PooledConnectionLifetime = s_connectionLife,
    };

    private async Task<T> CallAsync<T>(string path, object message, Func<WorkerTerms, TimeSpan> patience, CancellationToken cancellationToken)
        where T : class
    {
        // Whoever answers after a loss may be another server, or the same one started again.
        if (Volatile.Read(ref _at) is not { } at || at.Losses != _link.Losses)
            await RegisterAsync(cancellationToken);
        for (var again = false; ; again = true)
        {
            if (await _link.AskAsync<T>(HttpMethod.Post, path, message, patience(_at!.Terms), cancellationToken) is { } answer)
                return answer;
            if (again)
                throw new IOException($"{_link.Active} does not know worker '{_registration.Worker}', though it has registered.");
            await RegisterAsync(cancellationToken);
        }
    }

    /// <param name="Losses">Of the link when it was made.</param>
    private sealed record Registered(int Losses, WorkerTerms Terms);
}
