using System.Buffers.Binary;
using System.Text;
using Orchestrator.Jobs;

namespace Orchestrator.Compression.Data;

/// <summary>What an <c>.npy</c> file says of its array. Elements follow row after row (C order).</summary>
/// <param name="Shape">No entries for a scalar.</param>
public sealed record NpyHeader(NpyType Type, IReadOnlyList<long> Shape)
{
    /// <summary>Ours are about 100 bytes; NumPy itself refuses to trust more than 10,000.</summary>
    private const int MaxHeaderBytes = 10_000;

    private const int MaxRank = 32;
    private const int Alignment = 64;

    private static ReadOnlySpan<byte> Magic => [0x93, (byte)'N', (byte)'U', (byte)'M', (byte)'P', (byte)'Y'];

    /// <summary>Elements of the whole array.</summary>
    public long Count { get; } = CountOf(Shape);

    /// <summary>Bytes of the whole array.</summary>
    public long ByteLength => Count * Type.Size();

    /// <summary>Reads a header and leaves the stream at the first element. Not a byte of the array is read or allocated.</summary>
    /// <param name="subject">What messages call the array.</param>
    /// <exception cref="InputException">Not a NumPy array, or one of a kind that is not supported.</exception>
    public static NpyHeader Read(Stream stream, string subject)
    {
        Span<byte> start = stackalloc byte[8];
        if (stream.ReadAtLeast(start, start.Length, throwOnEndOfStream: false) < start.Length || !start[..6].SequenceEqual(Magic))
            throw Malformed(subject, "is not a NumPy array: its first bytes are not those of an .npy file");
        var lengthBytes = start[6] switch
        {
            1 => 2,
            2 or 3 => 4,
            var version => throw Malformed(subject, $"has .npy format version {version}, newer than 3"),
        };
        Span<byte> lengthField = stackalloc byte[4];
        lengthField.Clear();
        ReadFully(stream, lengthField[..lengthBytes], subject);
        var length = BinaryPrimitives.ReadUInt32LittleEndian(lengthField);
        if (length > MaxHeaderBytes)
            throw Malformed(subject, $"declares a header of {length} bytes; {MaxHeaderBytes} are allowed");
        var text = new byte[length];
        ReadFully(stream, text, subject);
        return Check(new NpyHeaderText(Encoding.UTF8.GetString(text), subject).Parse(), subject);
    }

    /// <summary>Writes the header; the elements are to follow.</summary>
    public void Write(Stream stream)
    {
        var shape = Shape.Count == 1 ? $"({Shape[0]},)" : $"({string.Join(", ", Shape)})";
        var text = $"{{'descr': '{Type.Code()}', 'fortran_order': False, 'shape': {shape}, }}";
        var prefix = Magic.Length + 4;
        var padded = ((prefix + text.Length + 1 + Alignment - 1) / Alignment * Alignment) - prefix;
        Span<byte> start = [.. Magic, 1, 0, (byte)padded, (byte)(padded >> 8)];
        stream.Write(start);
        stream.Write(Encoding.ASCII.GetBytes(text.PadRight(padded - 1) + "\n"));
    }

    public override string ToString() => $"{Type.Display()} [{string.Join(", ", Shape)}]";

    internal static InputException Malformed(string subject, string problem) => new(
        "data-format", subject, $"'{subject}' {problem}.", "Write the data with numpy.save or numpy.savez.");

    private static NpyHeader Check((string Code, bool Fortran, IReadOnlyList<long> Shape) parsed, string subject)
    {
        if (parsed.Shape.Count > MaxRank)
            throw Malformed(subject, $"has {parsed.Shape.Count} dimensions; {MaxRank} are allowed");
        if (parsed.Fortran && parsed.Shape.Count > 1)
        {
            throw new InputException(
                "data-order", subject, $"'{subject}' is stored column after column (Fortran order).", "Save it as numpy.ascontiguousarray(array).");
        }

        if (NpyTypeExtensions.FromCode(parsed.Code) is not { } type)
        {
            throw new InputException(
                "data-type", subject, $"'{subject}' has elements of type '{parsed.Code}', which is not supported.",
                $"Convert it with astype to one of {string.Join(", ", Enum.GetValues<NpyType>().Select(t => t.Display()))}, little-endian.");
        }

        try
        {
            var header = new NpyHeader(type, parsed.Shape);
            return checked(header.Count * type.Size()) >= 0 ? header : throw new OverflowException();
        }
        catch (OverflowException)
        {
            throw Malformed(subject, $"has a shape ({string.Join(", ", parsed.Shape)}) beyond any memory");
        }
    }

    private static long CountOf(IReadOnlyList<long> shape) => shape.Aggregate(1L, (count, dimension) => checked(count * dimension));

    private static void ReadFully(Stream stream, Span<byte> target, string subject)
    {
        if (stream.ReadAtLeast(target, target.Length, throwOnEndOfStream: false) < target.Length)
            throw Malformed(subject, "ends within its header");
    }
}
