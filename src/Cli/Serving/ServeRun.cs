using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Cli.Verbs;
using Orchestrator.Embedded;
using Orchestrator.Grains.Models;
using Orchestrator.Jobs;
using Orchestrator.Server.Api;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Nodes;
using Spectre.Console;

namespace Orchestrator.Cli.Serving;

/// <summary><c>orc serve</c>: store, grains, node, API. The composition root of a server.</summary>
internal sealed class ServeRun(ServeOptions options, VerbContext context)
{
    private readonly TimeProvider _clock = context.Surroundings.Clock;
    private readonly Lock _lock = new();

    public async Task<int> RunAsync(CancellationToken interruption)
    {
        var started = _clock.GetTimestamp();
        if (options.Address is null && options.Listen.Host is "0.0.0.0" or "[::]" or "*" or "+")
            throw new InputException("address-missing", "--listen", $"'{options.Listen}' does not tell others where this server is.", "Give --address with the URL that clients, workers and the other servers reach it under.");
        var keys = options.Keys is { } file ? ReadKeys(file) : null;
        var store = OpenStore();
        var node = new ServerNode(ServerNodeOptions.Default, Parts(store, new ServerIdentity(options.Name, options.Address ?? options.Listen, Guid.NewGuid().ToString("N"))));
        await using var api = ApiHost.Create(Parts(node, store, keys, interruption), options.Listen);
        try
        {
            await api.StartAsync(interruption);
        }
        catch (IOException taken)
        {
            throw new InputException("listen-failed", options.Listen.ToString(), taken.Message, "Choose another port with --listen.", taken);
        }

        Say("listening", $"on {api.Address} {(keys is null ? "without keys, for this machine only" : "for whoever has a key")}");
        await node.RunAsync(interruption);
        context.WriteResult(new ServeResult(options.Name, node.Identity.Address, node.Head?.Term ?? 0, _clock.GetElapsedTime(started).TotalSeconds));
        return ExitCodes.Success;
    }

    private ServerNodeParts Parts(IBlobStore store, ServerIdentity identity) => new(
        identity,
        store,
        _clock,
        _ => new EmbeddedHost(store, EmbeddedHostOptions.Default with { Tenant = BlobNames.Cluster }, _clock),
        FoldOf(store),
        notice =>
        {
            Say(notice.Kind, notice.Message);
            if (notice.Cause is not (null or IOException or UnauthorizedAccessException or OperationCanceledException or TimeoutException))
                Fault(notice.Cause);
        });

    private ApiParts Parts(ServerNode node, IBlobStore store, KeyRing? keys, CancellationToken stopping) => new(node, store, OrcCommand.Version)
    {
        Keys = keys,
        Fault = Fault,
        Stopping = stopping,
    };

    private RetryingBlobStore OpenStore()
    {
        var folder = context.Surroundings.Resolve(options.Store);
        FileBlobStore.CheckWritable(folder);
        return new RetryingBlobStore(context.Surroundings.Medium(FileBlobStore.Open(folder, _clock)), StoreRetryOptions.Default, _clock, Random.Shared.NextDouble);
    }

    private static FoldJob FoldOf(IBlobStore store) => async (scope, plan, token) =>
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

    private void Say(string kind, string message)
    {
        lock (_lock)
            context.People.MarkupLineInterpolated($"[grey]{_clock.GetUtcNow():HH:mm:ss}[/] {options.Name} {kind}: {message}");
    }

    private void Fault(Exception fault)
    {
        lock (_lock)
            context.Surroundings.Terminal.Error.WriteLine(fault.ToString());
    }
}
