using Orchestrator.Checkpoints.Blobs;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>
/// The commits of one stage: an append-only log of create-only records under consecutive numbers. Creating a number is the commit; of two
/// coordinators one creates it, the other reads it and goes on behind it, so every unit is committed once, in one order for all.
/// </summary>
/// <remarks>
/// Closed records are compacted into sealed segments named by a head. A writer that slept might create a number that was compacted and
/// deleted meanwhile; it looks at the head after every append, and what lies below the head's base does not count. Used within the turns of one grain; entries may be read from anywhere.
/// </remarks>
public sealed class StageLog
{
    private readonly StageFiles _files;
    private readonly string _tenant;
    private readonly StageUnits _units;
    private long _next;

    internal StageLog(IBlobStore store, JobScope scope, string stage, int expected)
    {
        Stage = stage;
        _tenant = scope.Tenant;
        _files = new StageFiles(store, scope, stage);
        _units = new StageUnits(expected);
    }

    /// <summary>The stage's key.</summary>
    public string Stage { get; }

    /// <summary>Committed units, those of other plans that share the stage included.</summary>
    public int Count => _units.Count;

    /// <summary>Parts of the log that were found damaged; their units count as not committed.</summary>
    public IReadOnlyList<string> Damaged => _files.Damaged;

    /// <summary>Segments that the head names and that are not there; their units count as not committed.</summary>
    public IReadOnlyList<string> Missing => _files.Missing;

    /// <summary>Names of the blobs that the log was read from, its head apart.</summary>
    public IReadOnlyCollection<string> Parts => _files.Parts;

    /// <summary>Entries of all committed units.</summary>
    public IEnumerable<int> Entries() => _units.Entries();

    /// <returns>The unit's entry, or -1 where it is not committed as far as was read.</returns>
    public int Find(string key) => _units.Find(Convert.FromHexString(key));

    public string KeyOf(int entry) => Convert.ToHexStringLower(_units.At(entry, out var unit).KeyOf(unit));

    public Epoch EpochOf(int entry) => _units.At(entry, out var unit).EpochOf(unit);

    public UnitMetrics MetricsOf(int entry) => _units.At(entry, out var unit).MetricsOf(unit);

    /// <summary>Roles and hex digests of the unit's outputs.</summary>
    public IEnumerable<KeyInput> DigestsOf(int entry)
    {
        var columns = _units.At(entry, out var unit);
        for (var r = 0; r < columns.Roles.Count; r++)
        {
            if (columns.OutputOf(unit, r) is var (digest, _))
                yield return new KeyInput(columns.Roles[r], Convert.ToHexStringLower(digest.Span));
        }
    }

    /// <returns>Null where the unit has no such output.</returns>
    public BlobRef? OutputOf(int entry, string role)
    {
        var columns = _units.At(entry, out var unit);
        for (var r = 0; r < columns.Roles.Count; r++)
        {
            if (columns.Roles[r] == role && columns.OutputOf(unit, r) is var (digest, length))
            {
                var prefix = BlobNames.OutputPrefix(_tenant, Convert.ToHexStringLower(columns.KeyOf(unit)), columns.EpochOf(unit));
                return new BlobRef(BlobNames.Output(prefix, role), Convert.ToHexStringLower(digest.Span), length);
            }
        }

        return null;
    }

    public CommitRecord this[int entry] => StageUnits.CommitOf(_units.At(entry, out var unit), unit, _tenant).Record;

    /// <summary>Reads what others have added.</summary>
    public async Task RefreshAsync(CancellationToken cancellationToken)
    {
        _next = await _files.ReadAsync(_next, _units.Apply, cancellationToken);
        if (_files.NeedsCompaction)
            await _files.CompactAsync(_next, cancellationToken);
    }

    /// <summary>Commits units, each unless another attempt was first, in as few records as hold them.</summary>
    /// <returns>What became of each, in their order.</returns>
    public async Task<IReadOnlyList<StageAnswer>> CommitAsync(IReadOnlyList<StageCommit> commits, CancellationToken cancellationToken)
    {
        foreach (var commit in commits)
            CheckNames(commit.Record);
        while (Pending(commits) is { IsEmpty: false } batch)
            await AppendAsync(batch, cancellationToken);
        if (_files.NeedsCompaction)
            await _files.CompactAsync(_next, cancellationToken);
        return [.. commits.Select(Answer)];
    }

    /// <summary>Takes back the commit whose output is damaged, so that its unit runs again. Nothing happens where another attempt stands by now.</summary>
    public async Task RevokeAsync(string key, Epoch epoch, CancellationToken cancellationToken)
    {
        await RefreshAsync(cancellationToken);
        while (Find(key) is >= 0 and var entry && EpochOf(entry) == epoch)
        {
            var batch = new StageBatch();
            batch.Add(new Revocation(key, epoch));
            await AppendAsync(batch, cancellationToken);
        }
    }

    /// <summary>The first units that are not committed yet, as many as one record holds.</summary>
    private StageBatch Pending(IReadOnlyList<StageCommit> commits)
    {
        var batch = new StageBatch();
        var taken = new HashSet<string>(StringComparer.Ordinal);
        foreach (var commit in commits)
        {
            var key = commit.Record.Key;
            if (Find(key) >= 0 || _units.IsRevoked(Convert.FromHexString(key), commit.Record.Epoch) || !taken.Add(key))
                continue;
            batch.Add(commit);
            if (batch.StoredBytes > StageRecord.MaxBytes - StageColumns.StoredBytes(2 * commit.Record.Outputs.Count))
                break;
        }

        return batch;
    }

    private async Task AppendAsync(StageBatch batch, CancellationToken cancellationToken)
    {
        var record = batch.Make(Stage, _next, _next);
        if (await _files.CreateAsync(record, cancellationToken) && !await _files.IsCompactedAsync(_next, cancellationToken))
        {
            _units.Apply(record);
            _next++;
            return;
        }

        // Taken: by another coordinator, or by our own first try whose answer was lost. What is in the log decides.
        await RefreshAsync(cancellationToken);
    }

    private StageAnswer Answer(StageCommit commit)
    {
        var ours = commit.Record;
        var entry = Find(ours.Key);
        // Revoked before it was told again: its bytes are known to be damaged.
        if (entry < 0)
            return new StageAnswer(entry, Ours: false, Diverged: false);
        var same = ours.Outputs.Select(o => new KeyInput(o.Role, o.Blob.Sha256)).OrderBy(o => o.Role, StringComparer.Ordinal)
            .SequenceEqual(DigestsOf(entry).OrderBy(o => o.Role, StringComparer.Ordinal));
        return new StageAnswer(entry, Ours: same && EpochOf(entry) == ours.Epoch, Diverged: !same);
    }

    private void CheckNames(CommitRecord record)
    {
        var prefix = BlobNames.OutputPrefix(_tenant, record.Key, record.Epoch);
        if (record.Outputs.FirstOrDefault(o => o.Blob.Name != BlobNames.Output(prefix, o.Role)) is { } foreign)
            throw new ArgumentException($"Unit '{record.Unit}' names '{foreign.Blob.Name}', which is not its attempt's own.", nameof(record));
    }
}

/// <summary>What became of an attempt to commit a unit of a stage.</summary>
/// <param name="Entry">The commit that stands; -1 where there is none because this attempt was revoked.</param>
/// <param name="Ours">It is ours; otherwise another attempt was first and our outputs are garbage.</param>
/// <param name="Diverged">Another attempt was first and its bytes differ: the computation is not deterministic.</param>
public readonly record struct StageAnswer(int Entry, bool Ours, bool Diverged);
