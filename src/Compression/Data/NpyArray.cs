using System.Runtime.InteropServices;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Data;

/// <summary>A NumPy array in memory.</summary>
public sealed class NpyArray
{
    private readonly byte[] _bytes;

    private NpyArray(NpyHeader header, byte[] bytes)
    {
        Header = header;
        _bytes = bytes;
    }

    public NpyHeader Header { get; }

    public IReadOnlyList<long> Shape => Header.Shape;

    /// <summary>Reads an <c>.npy</c> file.</summary>
    /// <exception cref="InputException">The file is missing, no supported array, truncated or followed by more.</exception>
    public static NpyArray Load(string path)
    {
        using var stream = DataFile.OpenFile(path);
        return Read(stream, stream.Length, path);
    }

    /// <summary>Reads an array that is all of the stream.</summary>
    /// <param name="length">Bytes of the stream, header included; nothing larger is allocated.</param>
    /// <param name="subject">What messages call the array.</param>
    /// <exception cref="InputException">No supported array, truncated or followed by more.</exception>
    public static NpyArray Read(Stream stream, long length, string subject)
    {
        var header = NpyHeader.Read(stream, subject);
        if (header.ByteLength > Math.Min(length, Array.MaxLength))
            throw NpyHeader.Malformed(subject, $"is truncated: {header} takes {header.ByteLength} bytes, of which {length} or fewer are there");
        var bytes = new byte[header.ByteLength];
        if (stream.ReadAtLeast(bytes, bytes.Length, throwOnEndOfStream: false) < bytes.Length)
            throw NpyHeader.Malformed(subject, $"is truncated: {header} takes {header.ByteLength} bytes");
        return stream.ReadByte() < 0 ? new NpyArray(header, bytes) : throw NpyHeader.Malformed(subject, $"has more bytes than {header} takes");
    }

    /// <summary>Writes values row after row as an <c>.npy</c> file.</summary>
    public static void Write<T>(Stream stream, ReadOnlySpan<T> values, params IReadOnlyList<long> shape)
        where T : unmanaged
    {
        var type = default(T) switch
        {
            float => NpyType.Float32,
            double => NpyType.Float64,
            Half => NpyType.Float16,
            byte => NpyType.UInt8,
            sbyte => NpyType.Int8,
            short => NpyType.Int16,
            int => NpyType.Int32,
            long => NpyType.Int64,
            bool => NpyType.Boolean,
            _ => throw new NotSupportedException($"No .npy file holds elements of type {typeof(T).Name}."),
        };
        var header = new NpyHeader(type, shape);
        if (header.Count != values.Length)
            throw new ArgumentException($"{header} has {header.Count} elements, {values.Length} are given.", nameof(values));
        header.Write(stream);
        stream.Write(MemoryMarshal.AsBytes(values));
    }

    /// <summary>The elements rounded to float32.</summary>
    public float[] ToFloats() => Convert(value => (float)value);

    public double[] ToDoubles() => Convert(value => value);

    /// <summary>The elements of an integer array.</summary>
    /// <exception cref="InvalidOperationException">The array holds floating-point numbers.</exception>
    public long[] ToLongs()
    {
        if (Header.Type.IsFloat())
            throw new InvalidOperationException($"{Header} does not hold integers.");
        var result = new long[Header.Count];
        NpyElements.ToLongs(Header.Type, _bytes, result);
        return result;
    }

    private TResult[] Convert<TResult>(Func<double, TResult> convert)
    {
        var result = new TResult[Header.Count];
        for (var i = 0; i < result.Length; i++)
            result[i] = convert(NpyElements.Real(Header.Type, _bytes, i));
        return result;
    }
}
