using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>The proof that a unit is done. Created once under its key, never changed; a unit without it is not done, whatever else exists.</summary>
/// <param name="Unit">Its id in the plan that had it computed; other plans may have the same key elsewhere.</param>
public sealed record CommitRecord(string Key, string Unit, UnitKind Kind, Epoch Epoch, IReadOnlyList<UnitOutput> Outputs, UnitMetrics Metrics)
{
    public const int CurrentSchema = 1;

    /// <summary>The same bytes came out, wherever they lie and in whichever order they were written.</summary>
    public bool HasOutputsOf(CommitRecord other) => Digests(this).SequenceEqual(Digests(other));

    private static IEnumerable<(string Role, string Sha256)> Digests(CommitRecord record) =>
        record.Outputs.Select(o => (o.Role, o.Blob.Sha256)).OrderBy(o => o.Role, StringComparer.Ordinal);
}

/// <summary>Takes back the commit record beside which it lies. That it exists says so, whatever became of its content.</summary>
/// <param name="Epoch">The attempt that was committed; null where the record could not be read.</param>
internal sealed record RecordRevocation(string Key, Epoch? Epoch)
{
    public const int CurrentSchema = 1;
}

/// <summary>What became of an attempt to commit.</summary>
/// <param name="Record">The record that stands.</param>
/// <param name="Ours">It is ours; otherwise another attempt was first and our outputs are garbage.</param>
/// <param name="Diverged">Another attempt was first and its bytes differ: the computation is not deterministic.</param>
public readonly record struct CommitAnswer(CommitRecord Record, bool Ours, bool Diverged);
