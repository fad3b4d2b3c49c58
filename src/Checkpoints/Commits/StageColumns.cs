using System.Buffers.Binary;
using Orchestrator.Jobs.Units;

namespace Orchestrator.Checkpoints.Commits;

/// <summary>
/// Committed units column by column, little-endian, so that a million take some hundred bytes each, in memory and stored. Names of blobs
/// are not kept: key, epoch and role make them.
/// </summary>
public sealed class StageColumns
{
    internal const int KeyBytes = 32;

    private const int DigestBytes = 32;
    private const int EpochBytes = 2 * sizeof(long);
    private const int RowsBytes = 2 * sizeof(int);
    private const int NumbersBytes = 5 * sizeof(long);
    private const long Absent = long.MinValue;

    public required int Count { get; set; }

    /// <summary>Roles of outputs; a unit need not have all of them.</summary>
    public required IReadOnlyList<string> Roles { get; init; }

    /// <summary>[count × 32]: the units' keys.</summary>
    public required byte[] Keys { get; init; }

    /// <summary>int32 [count × 2]: first row and number of rows.</summary>
    public required byte[] Rows { get; init; }

    /// <summary>int64 [count × 2]: term and counter.</summary>
    public required byte[] Epochs { get; init; }

    /// <summary>[count × roles × 32]: SHA-256 of the outputs.</summary>
    public required byte[] Digests { get; init; }

    /// <summary>int64 [count × roles]: bytes of the outputs; -1 where the unit has no such output.</summary>
    public required byte[] Lengths { get; init; }

    /// <summary>[count × 5]: loss, zero loss and seconds as float64 (NaN where there is none), zero weights and weights as int64 (the least where there is none).</summary>
    public required byte[] Numbers { get; init; }

    /// <summary>int32 [count]: which of <see cref="Extras"/> the unit has, from 1; 0 for none.</summary>
    public required byte[] Extra { get; init; }

    /// <summary>Metrics that have no column of their own, each once.</summary>
    public required List<UnitMetrics> Extras { get; init; }

    internal static StageColumns Create(IReadOnlyList<string> roles, int capacity) => new()
    {
        Count = 0,
        Roles = roles,
        Keys = new byte[capacity * KeyBytes],
        Rows = new byte[capacity * RowsBytes],
        Epochs = new byte[capacity * EpochBytes],
        Digests = new byte[capacity * roles.Count * DigestBytes],
        Lengths = new byte[capacity * roles.Count * sizeof(long)],
        Numbers = new byte[capacity * NumbersBytes],
        Extra = new byte[capacity * sizeof(int)],
        Extras = [],
    };

    /// <summary>Bytes that a unit takes in a stored document, at most.</summary>
    internal static int StoredBytes(int roles) =>
        (KeyBytes + RowsBytes + EpochBytes + roles * (DigestBytes + sizeof(long)) + NumbersBytes + sizeof(int)) * 4 / 3 + 1;

    /// <summary>Whether the columns agree with each other, as those of a document of ours do.</summary>
    internal bool AreWhole() =>
        Count >= 0 && Keys.Length == Count * KeyBytes && Rows.Length == Count * RowsBytes && Epochs.Length == Count * EpochBytes &&
        Digests.Length == Count * Roles.Count * DigestBytes && Lengths.Length == Count * Roles.Count * sizeof(long) &&
        Numbers.Length == Count * NumbersBytes && Extra.Length == Count * sizeof(int) &&
        Enumerable.Range(0, Count).All(i => ExtraOf(i) >= 0 && ExtraOf(i) <= Extras.Count);

    internal bool HasRoom => Count * KeyBytes < Keys.Length;

    internal ReadOnlySpan<byte> KeyOf(int unit) => Keys.AsSpan(unit * KeyBytes, KeyBytes);

    internal Epoch EpochOf(int unit) => new(Long(Epochs, 2 * unit), Long(Epochs, 2 * unit + 1));

    internal (int First, int Count) RowsOf(int unit) => (Int(Rows, 2 * unit), Int(Rows, 2 * unit + 1));

    internal int ExtraOf(int unit) => Int(Extra, unit);

    internal (ReadOnlyMemory<byte> Digest, long Length)? OutputOf(int unit, int role)
    {
        var at = unit * Roles.Count + role;
        var length = Long(Lengths, at);
        return length < 0 ? null : (Digests.AsMemory(at * DigestBytes, DigestBytes), length);
    }

    internal UnitMetrics MetricsOf(int unit)
    {
        var extra = ExtraOf(unit);
        var at = 5 * unit;
        return (extra == 0 ? new UnitMetrics() : Extras[extra - 1]) with
        {
            Loss = Number(at),
            ZeroLoss = Number(at + 1),
            Seconds = Number(at + 2) ?? 0,
            ZeroWeights = Whole(at + 3),
            Weights = Whole(at + 4),
        };
    }

    /// <summary>Copies a unit of columns with the same roles.</summary>
    /// <param name="extra">Its place among the extras here, from 1.</param>
    internal void Append(StageColumns source, int unit, int extra)
    {
        Copy(source.Keys, unit, Keys, KeyBytes);
        Copy(source.Rows, unit, Rows, RowsBytes);
        Copy(source.Epochs, unit, Epochs, EpochBytes);
        Copy(source.Digests, unit, Digests, Roles.Count * DigestBytes);
        Copy(source.Lengths, unit, Lengths, Roles.Count * sizeof(long));
        Copy(source.Numbers, unit, Numbers, NumbersBytes);
        BinaryPrimitives.WriteInt32LittleEndian(Extra.AsSpan(Count * sizeof(int)), extra);
        Count++;
    }

    /// <summary>Appends a unit whose outputs have roles of these.</summary>
    internal void Append(StageCommit commit, int extra)
    {
        var record = commit.Record;
        Convert.FromHexString(record.Key, Keys.AsSpan(Count * KeyBytes, KeyBytes), out _, out _);
        Put(Rows, 2 * Count, commit.FirstRow);
        Put(Rows, 2 * Count + 1, commit.Rows);
        Put(Epochs, 2 * Count, record.Epoch.Term);
        Put(Epochs, 2 * Count + 1, record.Epoch.Counter);
        for (var r = 0; r < Roles.Count; r++)
        {
            var output = record.Outputs.FirstOrDefault(o => o.Role == Roles[r]);
            Put(Lengths, Count * Roles.Count + r, output?.Blob.Length ?? -1);
            if (output is not null)
                Convert.FromHexString(output.Blob.Sha256, Digests.AsSpan((Count * Roles.Count + r) * DigestBytes, DigestBytes), out _, out _);
        }

        var (metrics, at) = (record.Metrics, 5 * Count);
        Put(Numbers, at, BitConverter.DoubleToInt64Bits(metrics.Loss ?? double.NaN));
        Put(Numbers, at + 1, BitConverter.DoubleToInt64Bits(metrics.ZeroLoss ?? double.NaN));
        Put(Numbers, at + 2, BitConverter.DoubleToInt64Bits(metrics.Seconds));
        Put(Numbers, at + 3, metrics.ZeroWeights ?? Absent);
        Put(Numbers, at + 4, metrics.Weights ?? Absent);
        Put(Extra, Count, extra);
        Count++;
    }

    /// <summary>What of a unit's metrics has no column; null for nothing.</summary>
    internal static UnitMetrics? ExtraIn(UnitMetrics metrics)
    {
        var rest = metrics with { Loss = null, ZeroLoss = null, Seconds = 0, ZeroWeights = null, Weights = null, Rescues = metrics.Rescues is { Count: > 0 } some ? some : null };
        return rest == new UnitMetrics() ? null : rest;
    }

    private void Copy(byte[] source, int unit, byte[] target, int width) => source.AsSpan(unit * width, width).CopyTo(target.AsSpan(Count * width));

    private double? Number(int at)
    {
        var value = BitConverter.Int64BitsToDouble(Long(Numbers, at));
        return double.IsNaN(value) ? null : value;
    }

    private long? Whole(int at) => Long(Numbers, at) is var value && value == Absent ? null : value;

    private static long Long(byte[] column, int at) => BinaryPrimitives.ReadInt64LittleEndian(column.AsSpan(at * sizeof(long)));

    private static int Int(byte[] column, int at) => BinaryPrimitives.ReadInt32LittleEndian(column.AsSpan(at * sizeof(int)));

    private static void Put(byte[] column, int at, long value) => BinaryPrimitives.WriteInt64LittleEndian(column.AsSpan(at * sizeof(long)), value);

    private static void Put(byte[] column, int at, int value) => BinaryPrimitives.WriteInt32LittleEndian(column.AsSpan(at * sizeof(int)), value);
}

/// <summary>A unit to be committed in its stage's log.</summary>
/// <param name="FirstRow">First row of the layer.</param>
/// <param name="Rows">Number of rows.</param>
public readonly record struct StageCommit(CommitRecord Record, int FirstRow, int Rows);
