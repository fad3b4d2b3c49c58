using Orchestrator.Checkpoints.Cluster;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Protocol;

namespace Orchestrator.Server.Nodes;

/// <summary>A server without its network: stands by, takes over, acts. Everything it awaits comes back to whoever runs it.</summary>
public sealed class ServerNode
{
    private static readonly TimeSpan s_afterFault = TimeSpan.FromSeconds(5);

    private readonly ServerNodeOptions _options;
    private readonly ServerNodeParts _parts;
    private readonly Leadership _leadership;
    private ActiveServer? _active;

    public ServerNode(ServerNodeOptions options, ServerNodeParts parts)
    {
        (_options, _parts) = (options, parts);
        parts.Instruments?.Watch(this);
        _leadership = new Leadership(new ClusterHeads(parts.Store, parts.Identity.Process), parts.Identity, options.Leadership, parts.Clock);
    }

    public ServerIdentity Identity => _parts.Identity;

    /// <summary>Who is active as far as is known, and in which term.</summary>
    public ServerHead? Head => _leadership.Head;

    /// <summary>Null on a standby, and as soon as the right to act is over by the own clock.</summary>
    public ActiveServer? TryActive() => Volatile.Read(ref _active) is { Tenure.IsOver: false } active ? active : null;

    /// <exception cref="RefusedException">This server is a standby, and names the active one; or the store is away, and nobody can be the active one.</exception>
    public ActiveServer Active() => TryActive() ?? throw (_leadership.Away is { } away ? StoreAway(away) : StandsBy());

    private RefusedException StoreAway(Exception away) => new(
        Refusal.Unavailable, Trouble.StoreAway, Identity.Name,
        $"The store does not answer, so that no server may act: {(away is TimeoutException ? "it takes too long" : away.Message)}",
        "Nothing is needed once the store is well again: jobs go on by themselves, and what is committed is kept.", away);

    private RefusedException StandsBy() => new(
        Refusal.Unavailable, "standby", KnownActive()?.ToString() ?? Identity.Name, "This server stands by.",
        KnownActive() is { } other ? $"Ask {other}." : "Ask the others, or again in a while: a server takes over within half a minute.");

    /// <summary>Address of the active server; null where none is known.</summary>
    public Uri? KnownActive() => TryActive() is not null ? Identity.Address : Head is { IsReleased: false } head && head.Holder != Identity.Process ? head.Address : null;

    /// <summary>Runs until it is asked to stop; then jobs stand still and another server may take over at once.</summary>
    public async Task RunAsync(CancellationToken stop)
    {
        _parts.Notice(new ServerNotice("standby", "Waiting for its turn."));
        await _leadership.RunAsync(tenure => ActAsync(tenure, stop), stop);
        _parts.Notice(new ServerNotice("stopped", "Another server may take over."));
    }

    private async Task ActAsync(Tenure tenure, CancellationToken stop)
    {
        var active = new ActiveServer(tenure, _options, _parts);
        Volatile.Write(ref _active, active);
        _parts.Notice(new ServerNotice("active", $"Acts in term {tenure.Term}."));
        try
        {
            await active.RunAsync(stop);
        }
#pragma warning disable CA1031 // A mistake in one tenure must not keep the server from standing by for the next.
        catch (Exception fault)
#pragma warning restore CA1031
        {
            _parts.Notice(new ServerNotice("coordinator-failed", $"{fault.GetType().Name}: {fault.Message}", fault));
            await Task.Delay(s_afterFault, _parts.Clock, stop).ConfigureAwait(ConfigureAwaitOptions.SuppressThrowing | ConfigureAwaitOptions.ContinueOnCapturedContext);
        }
        finally
        {
            Volatile.Write(ref _active, null);
            if (!stop.IsCancellationRequested)
                _parts.Notice(new ServerNotice("standby", $"Term {tenure.Term} is over."));
        }
    }
}
