using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>
/// A part of a stage's log: a record, which is one append, or a sealed segment, which stands for a run of records. Revocations come
/// before the commits of the same part.
/// </summary>
/// <param name="Stage">The stage's key.</param>
/// <param name="From">First place in the log.</param>
/// <param name="To">Last place; the same as <paramref name="From"/> for a record.</param>
public sealed record StageRecord(string Stage, long From, long To, StageColumns Commits, IReadOnlyList<Revocation> Revoked)
{
    public const int CurrentSchema = 1;

    /// <summary>A stored document is at most this long, whatever it holds.</summary>
    public const int MaxBytes = 1 << 20;
}

/// <summary>The commit of a unit whose output is damaged does not count any more; the unit runs again.</summary>
public sealed record Revocation(string Key, Epoch Epoch);

/// <summary>Which segments a log has and where its tail begins: replaced under its ETag by whoever compacts.</summary>
/// <param name="Base">Places below it are in segments; records are read from here on.</param>
/// <param name="Segments">In the log's order.</param>
internal sealed record StageHead(long Base, IReadOnlyList<SegmentRef> Segments)
{
    public const int CurrentSchema = 1;

    public static StageHead Empty { get; } = new(0, []);
}

/// <param name="Digest">The first hex digits of its SHA-256, part of its name.</param>
/// <param name="Bytes">Its length.</param>
internal sealed record SegmentRef(long From, long To, string Digest, int Bytes);
