using Microsoft.Extensions.DependencyInjection;
using Microsoft.Extensions.Logging;
using Microsoft.Extensions.Logging.Abstractions;
using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Checkpoints.Blobs.Azure;
using Orchestrator.Cli.Telemetry;
using Orchestrator.Cli.Verbs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs;
using Orchestrator.Jobs.Outcomes;
using Orchestrator.Server.Api;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Orchestrator.Server.Telemetry;

namespace Orchestrator.Cli.Serving;

/// <summary><c>orc serve</c>: store, grains, node, API. The composition root of a server.</summary>
internal sealed partial class ServeRun(ServeOptions options, VerbContext context)
{
    private readonly TimeProvider _clock = context.Surroundings.Clock;
    private ILogger _logger = NullLogger.Instance;

    public async Task<int> RunAsync(CancellationToken interruption)
    {
        var started = _clock.GetTimestamp();
        if (options.Address is null && options.Listen.Host is "0.0.0.0" or "[::]" or "*" or "+")
            throw new InputException("address-missing", "--listen", $"'{options.Listen}' does not tell others where this server is.", "Give --address with the URL that clients, workers and the other servers reach it under.");
        var keys = options.Keys is { } file ? ReadKeys(file) : null;
        // All that can be wrong before anything is made.
        ApiHost.Check(keys, options.Listen);
        options.Store.Check(context);
        if (options.Cluster is { } asked)
            SiloGrains.Check(asked);
        using var telemetry = TelemetrySession.Open("orchestrator-server", options.Name, context.Surroundings, options.Log);
        _logger = telemetry.Logs.CreateLogger<ServeRun>();
        var opened = await (options.Store with { Instruments = telemetry.Store }).OpenAsync(context, interruption);
        var store = telemetry.Measured(opened, _clock);
        await using var grains = options.Cluster is { } cluster
            ? await SiloGrains.StartAsync(store, cluster, _clock, telemetry.Grains, interruption)
            : new EmbeddedGrains(store, _clock, telemetry.Grains);
        if (options.Cluster is { } joined)
            LogNotice(_logger, LogLevel.Information, options.Name, "silo", $"on {joined.Silo}, found by {(joined.DatabaseFile is null ? "the first silo" : "the database")}");
        var node = new ServerNode(ServerNodeOptions.Default, Parts(store, grains, new ServerIdentity(options.Name, options.Address ?? options.Listen, Guid.NewGuid().ToString("N")), telemetry));
        await using var api = ApiHost.Create(Parts(node, store, opened as IBlobGrants, keys, interruption), options.Listen, web => web.Services.AddSingleton(telemetry.Logs));
        try
        {
            await api.StartAsync(interruption);
        }
        catch (IOException taken)
        {
            throw new InputException("listen-failed", options.Listen.ToString(), taken.Message, "Choose another port with --listen.", taken);
        }

        LogNotice(_logger, LogLevel.Information, options.Name, "listening", $"on {api.Address} {(keys is null ? "without keys, for this machine only" : "for whoever has a key")}");
        await RunAsync(node, grains, interruption);
        context.WriteResult(new ServeResult(options.Name, node.Identity.Address, node.Head?.Term ?? 0, _clock.GetElapsedTime(started).TotalSeconds));
        return ExitCodes.Success;
    }

    private static async Task RunAsync(ServerNode node, IServedGrains grains, CancellationToken interruption)
    {
        using var over = CancellationTokenSource.CreateLinkedTokenSource(interruption);
        var running = node.RunAsync(over.Token);
        var isFaulted = await Task.WhenAny(running, grains.Fault) == grains.Fault;
        if (isFaulted)
            await over.CancelAsync();
        await running;
        if (isFaulted)
            throw new IOException($"The server has left its cluster and has to be started anew: {(await grains.Fault).Message}");
    }

    private ServerNodeParts Parts(IBlobStore store, IServedGrains grains, ServerIdentity identity, TelemetrySession telemetry) => new(
        identity,
        store,
        _clock,
        grains.Coordinator,
        FoldOf(store),
        Tell)
    {
        Instruments = new ServerInstruments(telemetry.Meter),
    };

    private ApiParts Parts(ServerNode node, IBlobStore store, IBlobGrants? grants, KeyRing? keys, CancellationToken stopping) => new(node, store, OrcCommand.Version)
    {
        Keys = keys,
        Grants = grants is null ? null : GrantsOf(grants),
        Fault = Fault,
        Stopping = stopping,
    };

    private GrantBlobs GrantsOf(IBlobGrants grants) => async (reads, creates, token) =>
    {
        var until = _clock.GetUtcNow() + options.Grant;
        var granted = new List<BlobGrant>(reads.Count + creates.Count);
        foreach (var (name, access) in reads.Select(name => (name, BlobAccess.Read)).Concat(creates.Select(name => (name, BlobAccess.Create))))
            granted.Add(new BlobGrant(name, await grants.GrantAsync(name, access, until, token), until));
        return granted;
    };

    internal static FoldJob FoldOf(IBlobStore store) => async (scope, plan, token) =>
    {
        var job = new StoredJob(new CheckpointStore(store), scope, plan);
        await job.ReadAsync(null, token);
        return new StoredResult(job.Model, job.ModelData, job.Summarize(), job.Units, job.Fold ?? "");
    };

    private static KeyRing ReadKeys(string file)
    {
        try
        {
            return KeyRing.Read(file, File.ReadAllText(file));
        }
        catch (Exception cause) when (cause is IOException or UnauthorizedAccessException)
        {
            throw new InputException("keys-not-found", file, cause.Message, "Make keys and their lines with `orc serve --new-key tenant:NAME`.", cause);
        }
    }

    private void Tell(ServerNotice notice)
    {
        var isExpected = notice.Cause is null or IOException or UnauthorizedAccessException or OperationCanceledException or TimeoutException;
        LogNotice(_logger, notice.Cause is null ? LogLevel.Information : LogLevel.Warning, options.Name, notice.Kind, notice.Message);
        if (!isExpected)
            Fault(notice.Cause!);
    }

    private void Fault(Exception fault) => LogFault(_logger, options.Name, fault);
}
