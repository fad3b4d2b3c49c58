using System.Buffers.Binary;
using System.Runtime.InteropServices;
using System.Text.Json;
using Microsoft.Win32.SafeHandles;

namespace Orchestrator.Compression.Data;

/// <summary>One value on a shard of samples.</summary>
/// <param name="Elements">Of one sample.</param>
public sealed record ShardValue(string Name, int Elements);

/// <summary>
/// What enters and leaves a group on some samples, in a file: a header that names the values, then sample after sample all of them, float32,
/// little-endian. So it is written batch by batch, any sample of any value is one read, and nothing is kept in memory.
/// </summary>
public sealed class ActivationShard : IDisposable
{
    /// <summary>Bound of a header: hundreds of values with long names.</summary>
    private const int MostHeaderBytes = 1 << 20;

    private readonly SafeFileHandle _file;
    private readonly long _stride;
    private readonly Dictionary<string, (long Offset, int Elements)> _values = new(StringComparer.Ordinal);

    private ActivationShard(SafeFileHandle file, Header header, long offset)
    {
        (_file, Samples, _stride) = (file, header.Samples, header.Values.Sum(v => (long)v.Elements * sizeof(float)));
        var end = offset + Samples * _stride;
        if (RandomAccess.GetLength(file) != end)
            throw new InvalidDataException($"The shard has {RandomAccess.GetLength(file)} bytes where its header says {end}.");
        foreach (var value in header.Values)
        {
            _values.Add(value.Name, (offset, value.Elements));
            offset += (long)value.Elements * sizeof(float);
        }
    }

    public int Samples { get; }

    /// <summary>Names of the values.</summary>
    public IReadOnlyCollection<string> Values => _values.Keys;

    /// <exception cref="InvalidDataException">It is no shard.</exception>
    public static ActivationShard Open(string path)
    {
        var file = File.OpenHandle(path, options: FileOptions.RandomAccess);
        try
        {
            var length = new byte[sizeof(int)];
            ReadFully(file, length, 0);
            var size = BinaryPrimitives.ReadInt32LittleEndian(length);
            if (size is < 2 or > MostHeaderBytes)
                throw new InvalidDataException($"The shard's header claims {size} bytes.");
            var text = new byte[size];
            ReadFully(file, text, sizeof(int));
            var header = JsonSerializer.Deserialize<Header>(text, JsonSerializerOptions.Web) ?? throw new InvalidDataException("The shard has no header.");
            return new ActivationShard(file, header, sizeof(int) + size);
        }
        catch
        {
            file.Dispose();
            throw;
        }
    }

    /// <summary>Elements of one sample of a value.</summary>
    public int ElementsOf(string value) => _values[value].Elements;

    /// <param name="sample">Within the shard.</param>
    /// <param name="into">As many elements as the value has.</param>
    public void Read(int sample, string value, Span<float> into)
    {
        ArgumentOutOfRangeException.ThrowIfNegative(sample);
        ArgumentOutOfRangeException.ThrowIfGreaterThanOrEqual(sample, Samples);
        var (offset, elements) = _values[value];
        if (into.Length != elements)
            throw new ArgumentException($"'{value}' has {elements} elements a sample, not {into.Length}.", nameof(into));
        ReadFully(_file, MemoryMarshal.AsBytes(into), offset + sample * _stride);
    }

    public void Dispose() => _file.Dispose();

    /// <summary>What a shard begins with; sample after sample follows, its values in this order.</summary>
    public static byte[] HeaderOf(int samples, IReadOnlyList<ShardValue> values)
    {
        var text = JsonSerializer.SerializeToUtf8Bytes(new Header(samples, values), JsonSerializerOptions.Web);
        var header = new byte[sizeof(int) + text.Length];
        BinaryPrimitives.WriteInt32LittleEndian(header, text.Length);
        text.CopyTo(header, sizeof(int));
        return header;
    }

    private static void ReadFully(SafeFileHandle file, Span<byte> into, long offset)
    {
        while (into.Length > 0)
        {
            var read = RandomAccess.Read(file, into, offset);
            if (read == 0)
                throw new InvalidDataException("The shard ends early.");
            into = into[read..];
            offset += read;
        }
    }

    private sealed record Header(int Samples, IReadOnlyList<ShardValue> Values);
}
