using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions;
using Orchestrator.Server.Jobs;
using Orchestrator.Server.Leading;
using Orchestrator.Server.Telemetry;

namespace Orchestrator.Server.Nodes;

/// <param name="Starts">Jobs that are started at a time: folding the commits of large ones takes memory.</param>
/// <param name="SaveLogs">How often new lines of jobs' logs are kept.</param>
/// <param name="Pause">Wait before a coordinator that failed is made anew; doubled each time, up to a minute.</param>
/// <param name="Farewell">How long a stopping server waits for its jobs to stand still.</param>
public sealed record ServerNodeOptions(LeadershipOptions Leadership, int Starts, TimeSpan SaveLogs, TimeSpan Pause, TimeSpan Farewell)
{
    public static ServerNodeOptions Default { get; } =
        new(LeadershipOptions.Default, 4, TimeSpan.FromSeconds(5), TimeSpan.FromSeconds(2), TimeSpan.FromSeconds(10));
}

/// <summary>What a node is made of; none of it knows that there is a network.</summary>
/// <param name="Coordinators">Makes the coordinator of a term; the node disposes it.</param>
/// <param name="Notice">Gets what a person who runs the server wants to know.</param>
public sealed record ServerNodeParts(
    ServerIdentity Identity, IBlobStore Store, TimeProvider Clock, Func<long, ICoordinator> Coordinators, FoldJob Fold, Action<ServerNotice> Notice)
{
    /// <summary>Null where nothing is counted.</summary>
    public ServerInstruments? Instruments { get; init; }
}

/// <summary>Something that happened to the server.</summary>
/// <param name="Kind"><c>active</c>, <c>standby</c>, <c>coordinator-failed</c>, <c>store-unavailable</c> or <c>stopped</c>.</param>
/// <param name="Cause">Null where nothing went wrong.</param>
public sealed record ServerNotice(string Kind, string Message, Exception? Cause = null);
