using System.Buffers.Binary;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>
/// The fold of a stage's log in memory: which units are committed and by which attempt. Entries never change once written, so lists made
/// of them may be read while others are added.
/// </summary>
internal sealed class StageUnits
{
    private const int ChunkBits = 12;
    private const int ChunkUnits = 1 << ChunkBits;
    private const int ChunkMask = ChunkUnits - 1;
    private const int FirstSlots = 16;

    private readonly int _chunkUnits;
    private readonly Dictionary<StageColumns, Dictionary<string, int>> _extraPlaces = [];
    private readonly HashSet<Revocation> _revoked = [];

    // Grown by copying the list of chunks, never a chunk: readers keep the list they have.
    private volatile StageColumns[] _chunks = [];

    // Open addressing on the keys' first bytes. 0 is free, entry + 1 taken, -(entry + 1) revoked and to be passed over.
    private int[] _slots = new int[FirstSlots];
    private int _used;

    /// <param name="expected">Units that are likely to come.</param>
    public StageUnits(int expected) => _chunkUnits = Math.Clamp(expected, 1, ChunkUnits);

    /// <summary>Units that are committed and not revoked.</summary>
    public int Count { get; private set; }

    /// <summary>What a document says comes true: revocations, then commits of units that have none.</summary>
    public void Apply(StageRecord record)
    {
        foreach (var revoked in record.Revoked)
            Revoke(revoked);
        var extras = new Dictionary<int, int>();
        StageColumns? target = null;
        for (var i = 0; i < record.Commits.Count; i++)
        {
            var key = record.Commits.KeyOf(i);
            if (Find(key) >= 0 || IsRevoked(key, record.Commits.EpochOf(i)))
                continue;
            var room = Room(record.Commits.Roles);
            if (room != target)
                (target, extras) = (room, []);
            Add(room, record.Commits, i, extras);
        }
    }

    /// <returns>The unit's entry, or -1 where it is not committed.</returns>
    public int Find(ReadOnlySpan<byte> key)
    {
        for (var slot = SlotOf(key); _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            if (_slots[slot] > 0 && At(_slots[slot] - 1, out var unit).KeyOf(unit).SequenceEqual(key))
                return _slots[slot] - 1;
        }

        return -1;
    }

    public bool IsRevoked(ReadOnlySpan<byte> key, Epoch epoch) =>
        _revoked.Count > 0 && _revoked.Contains(new Revocation(Convert.ToHexStringLower(key), epoch));

    /// <summary>Where an entry is.</summary>
    public StageColumns At(int entry, out int unit)
    {
        unit = entry & ChunkMask;
        return _chunks[entry >> ChunkBits];
    }

    public IEnumerable<int> Entries() => _slots.Where(s => s > 0).Select(s => s - 1);

    public static StageCommit CommitOf(StageColumns columns, int unit, string tenant = "")
    {
        var key = Convert.ToHexStringLower(columns.KeyOf(unit));
        var epoch = columns.EpochOf(unit);
        var (first, rows) = columns.RowsOf(unit);
        return new StageCommit(
            new CommitRecord(key, $"rows/{first}-{first + rows - 1}", UnitKind.Rows, epoch, OutputsOf(columns, unit, BlobNames.OutputPrefix(tenant, key, epoch)), columns.MetricsOf(unit)),
            first,
            rows);
    }

    public static IReadOnlyList<UnitOutput> OutputsOf(StageColumns columns, int unit, string prefix)
    {
        var outputs = new List<UnitOutput>(columns.Roles.Count);
        for (var r = 0; r < columns.Roles.Count; r++)
        {
            if (columns.OutputOf(unit, r) is var (digest, length))
                outputs.Add(new UnitOutput(columns.Roles[r], new BlobRef(BlobNames.Output(prefix, columns.Roles[r]), Convert.ToHexStringLower(digest.Span), length)));
        }

        return outputs;
    }

    private void Revoke(Revocation revoked)
    {
        if (!_revoked.Add(revoked))
            return;
        Span<byte> key = stackalloc byte[StageColumns.KeyBytes];
        Convert.FromHexString(revoked.Key, key, out _, out _);
        for (var slot = SlotOf(key); _slots[slot] != 0; slot = (slot + 1) & (_slots.Length - 1))
        {
            if (_slots[slot] <= 0)
                continue;
            var columns = At(_slots[slot] - 1, out var unit);
            if (columns.KeyOf(unit).SequenceEqual(key) && columns.EpochOf(unit) == revoked.Epoch)
            {
                _slots[slot] = -_slots[slot];
                Count--;
                return;
            }
        }
    }

    private StageColumns Room(IReadOnlyList<string> roles)
    {
        if (_chunks.Length > 0 && _chunks[^1] is { } last && last.Count < _chunkUnits && last.Roles.SequenceEqual(roles))
            return last;
        _chunks = [.. _chunks, StageColumns.Create(roles, _chunkUnits)];
        return _chunks[^1];
    }

    private void Add(StageColumns room, StageColumns source, int unit, Dictionary<int, int> extras)
    {
        var extra = source.ExtraOf(unit);
        if (!extras.TryGetValue(extra, out var place))
            extras[extra] = place = extra == 0 ? 0 : Place(room, source.Extras[extra - 1]);
        var entry = ((_chunks.Length - 1) << ChunkBits) | room.Count;
        room.Append(source, unit, place);
        Count++;
        if (2 * ++_used > _slots.Length)
            Grow();
        Put(entry);
    }

    private int Place(StageColumns room, UnitMetrics extra)
    {
        if (!_extraPlaces.TryGetValue(room, out var places))
            _extraPlaces[room] = places = new Dictionary<string, int>(StringComparer.Ordinal);
        var text = Convert.ToBase64String(CanonicalJson.Serialize(extra));
        if (places.TryGetValue(text, out var place))
            return place;
        room.Extras.Add(extra);
        return places[text] = room.Extras.Count;
    }

    private void Grow()
    {
        var old = _slots;
        _slots = new int[old.Length * 2];
        _used = 0;
        foreach (var taken in old.Where(s => s > 0))
        {
            _used++;
            Put(taken - 1);
        }

        _used++;
    }

    private void Put(int entry)
    {
        var slot = SlotOf(At(entry, out var unit).KeyOf(unit));
        while (_slots[slot] != 0)
            slot = (slot + 1) & (_slots.Length - 1);
        _slots[slot] = entry + 1;
    }

    private int SlotOf(ReadOnlySpan<byte> key) => (int)(BinaryPrimitives.ReadUInt32LittleEndian(key) & (uint)(_slots.Length - 1));
}
