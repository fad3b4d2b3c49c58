using Orchestrator.Checkpoints;
using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Grains.Abstractions.Messages;
using Orchestrator.Jobs.Units;
using Orchestrator.Server.Keys;
using Orchestrator.Server.Nodes;

namespace Orchestrator.Server.Api;

/// <summary>Lets a worker read and create named blobs for a while. Given by stores that can.</summary>
/// <param name="reads">Names that may be read.</param>
/// <param name="creates">Names that may be created.</param>
public delegate Task<IReadOnlyList<BlobGrant>> GrantBlobs(IReadOnlyList<string> reads, IReadOnlyList<string> creates, CancellationToken cancellationToken);

/// <summary>What the API is made of.</summary>
public sealed record ApiParts(ServerNode Node, IBlobStore Store, string Version)
{
    /// <summary>Null where everyone who reaches the server is trusted; only for loopback.</summary>
    public KeyRing? Keys { get; init; }

    /// <summary>Null where workers open the store themselves.</summary>
    public GrantBlobs? Grants { get; init; }

    public TimeSpan HeartbeatEvery { get; init; } = TimeSpan.FromSeconds(5);

    /// <summary>How long a request for units may wait.</summary>
    public TimeSpan LongPoll { get; init; } = TimeSpan.FromSeconds(20);

    /// <summary>Bytes of the largest model, weight or data file that is taken in.</summary>
    public long MostInputBytes { get; init; } = 1L << 40;

    /// <summary>Gets mistakes of the server's own.</summary>
    public Action<Exception> Fault { get; init; } = static _ => { };

    /// <summary>Cancelled when the server stops: whatever waits is answered.</summary>
    public CancellationToken Stopping { get; init; }

    internal TensorBlobs Tensors { get; } = new(Store);
}
