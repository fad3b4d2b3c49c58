using System.Runtime.InteropServices;
using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx;

/// <summary>A constant: element type, shape, name and content. Content never changes; a changed weight is a new tensor.</summary>
public sealed class Tensor
{
    private readonly long[] _shape;

    internal Tensor(TensorProto proto)
    {
        Proto = proto;
        _shape = [.. proto.Dims];
        Count = TensorCheck.Count(proto.Name, _shape);
    }

    internal TensorProto Proto { get; }

    public string Name => Proto.Name;

    public ElementType ElementType => (ElementType)Proto.DataType;

    public IReadOnlyList<long> Shape => _shape;

    /// <summary>Number of elements; 1 for a scalar.</summary>
    public long Count { get; }

    /// <summary>Bytes of the packed content.</summary>
    public long ByteCount => ElementType.ByteCount(Count);

    /// <summary>The part of a file that holds the content; null where it lies in memory.</summary>
    public MappedBytes? Mapped => Proto.HasRawData && MemoryMarshal.TryGetMemoryManager<byte, MappedBytes>(Proto.RawData.Memory, out var mapped) ? mapped : null;

    /// <summary>A tensor whose content stays in a file.</summary>
    /// <exception cref="OnnxException">The number of bytes does not follow from type and shape.</exception>
    public static Tensor FromFile(string name, ElementType type, IReadOnlyList<long> shape, MappedBytes bytes)
    {
        CheckLength(name, type, shape, bytes.Length);
        return Of(name, type, shape, UnsafeByteOperations.UnsafeWrap(bytes.Memory));
    }

    /// <param name="bytes">Row-major, little-endian, packed as ONNX packs raw data.</param>
    /// <exception cref="OnnxException">The number of bytes does not follow from type and shape.</exception>
    public static Tensor FromBytes(string name, ElementType type, IReadOnlyList<long> shape, ReadOnlySpan<byte> bytes)
    {
        CheckLength(name, type, shape, bytes.Length);
        return Of(name, type, shape, ByteString.CopyFrom(bytes));
    }

    public static Tensor FromFloats(string name, IReadOnlyList<long> shape, ReadOnlySpan<float> values) =>
        FromBytes(name, ElementType.Float32, shape, MemoryMarshal.AsBytes(values));

    public static Tensor FromDoubles(string name, IReadOnlyList<long> shape, ReadOnlySpan<double> values) =>
        FromBytes(name, ElementType.Float64, shape, MemoryMarshal.AsBytes(values));

    public static Tensor FromLongs(string name, IReadOnlyList<long> shape, ReadOnlySpan<long> values) =>
        FromBytes(name, ElementType.Int64, shape, MemoryMarshal.AsBytes(values));

    /// <summary>A vector of int64, as shapes and axes are given.</summary>
    public static Tensor FromLongs(string name, ReadOnlySpan<long> values) => FromLongs(name, [values.Length], values);

    public static Tensor FromInts(string name, IReadOnlyList<long> shape, ReadOnlySpan<int> values) =>
        FromBytes(name, ElementType.Int32, shape, MemoryMarshal.AsBytes(values));

    public static Tensor FromSBytes(string name, IReadOnlyList<long> shape, ReadOnlySpan<sbyte> values) =>
        FromBytes(name, ElementType.Int8, shape, MemoryMarshal.AsBytes(values));

    public static Tensor FromUInt8(string name, IReadOnlyList<long> shape, ReadOnlySpan<byte> values) =>
        FromBytes(name, ElementType.UInt8, shape, values);

    /// <summary>Rounds to the nearest value of <paramref name="type"/>, a real type.</summary>
    public static Tensor FromReals(string name, ElementType type, IReadOnlyList<long> shape, ReadOnlySpan<double> values) =>
        FromBytes(name, type, shape, TensorElements.EncodeReals(name, type, values));

    /// <summary>Codes packed into an integer type of 2 to 32 bits; two 4-bit codes share a byte, the first in the low half.</summary>
    /// <exception cref="OnnxException">A code lies outside the type's range.</exception>
    public static Tensor FromCodes(string name, ElementType type, IReadOnlyList<long> shape, ReadOnlySpan<int> codes) =>
        FromBytes(name, type, shape, TensorElements.EncodeCodes(name, type, codes));

    /// <summary>The content as ONNX raw data, however the file stores it.</summary>
    public byte[] ReadBytes() => Held(Bytes().ToArray());

    /// <summary>The values as float32; real and integer types.</summary>
    /// <exception cref="OnnxException">The type has no float form (text, complex, float8).</exception>
    public float[] ReadFloats()
    {
        if (ElementType == ElementType.Float32)
            return Held(MemoryMarshal.Cast<byte, float>(Bytes()).ToArray());
        var values = new float[checked((int)Count)];
        var bytes = Bytes();
        for (var i = 0; i < values.Length; i++)
            values[i] = (float)TensorElements.Real(Name, ElementType, bytes, i);
        return Held(values);
    }

    /// <summary>The values as float64; real and integer types.</summary>
    public double[] ReadDoubles()
    {
        var values = new double[checked((int)Count)];
        var bytes = Bytes();
        for (var i = 0; i < values.Length; i++)
            values[i] = TensorElements.Real(Name, ElementType, bytes, i);
        return Held(values);
    }

    /// <summary>The values as int64; integer types and bool.</summary>
    /// <exception cref="OnnxException">The type is not an integer.</exception>
    public long[] ReadLongs()
    {
        var values = new long[checked((int)Count)];
        var bytes = Bytes();
        for (var i = 0; i < values.Length; i++)
            values[i] = TensorElements.Integer(Name, ElementType, bytes, i);
        return Held(values);
    }

    /// <summary>Whether every value of a real tensor is finite; integer tensors always are.</summary>
    public bool IsFinite()
    {
        if (!ElementType.IsReal())
            return true;
        var isFinite = true;
        if (Mapped is { } mapped)
            mapped.Scan(piece => isFinite = isFinite && AreFinite(piece.Span));
        else
            isFinite = AreFinite(Bytes());
        return isFinite;
    }

    /// <summary>Whether every value of some whole elements of this tensor is finite.</summary>
    public bool AreFinite(ReadOnlySpan<byte> bytes)
    {
        if (!ElementType.IsReal())
            return true;
        if (ElementType == ElementType.Float32)
        {
            foreach (var value in MemoryMarshal.Cast<byte, float>(bytes))
                if (!float.IsFinite(value))
                    return false;
            return true;
        }
        var count = (int)(bytes.Length * 8L / ElementType.Bits());
        for (var i = 0; i < count; i++)
            if (!double.IsFinite(TensorElements.Real(Name, ElementType, bytes, i)))
                return false;
        return true;
    }

    /// <summary>The share of exact zeros among the elements of a real tensor, or among some tens of thousands spread over a large one (the first of one in a file).</summary>
    public double ZeroFraction()
    {
        const long MostRead = 1 << 16;
        if (Mapped is { } mapped)
            return ZeroFraction(mapped, (int)Math.Min(Count, MostRead));
        // Odd, so that no column of an even width is passed over.
        var step = (int)Math.Max(1, Count / MostRead | 1);
        var bytes = Bytes();
        var (zeros, read) = (0, 0);
        for (var i = 0L; i < Count; i += step, read++)
        {
            if (TensorElements.Real(Name, ElementType, bytes, (int)i) == 0)
                zeros++;
        }

        return read == 0 ? 0 : zeros / (double)read;
    }

    /// <summary>Same element type, shape and bits; names do not matter. Content in files is not read: it equals only itself.</summary>
    public bool ContentEquals(Tensor other) =>
        Mapped is not null || other.Mapped is not null ? _shape.AsSpan().SequenceEqual(other._shape) && ReferenceEquals(Mapped, other.Mapped)
        : ElementType == other.ElementType && _shape.AsSpan().SequenceEqual(other._shape)
        && (ElementType == ElementType.Text ? Proto.StringData.Equals(other.Proto.StringData) : Bytes().SequenceEqual(other.Bytes()));

    /// <summary>A copy under another name; content and everything else the file says of it is kept.</summary>
    public Tensor WithName(string name)
    {
        var proto = Proto.Clone();
        proto.Name = name;
        return new Tensor(proto);
    }

    /// <summary>The same content in another shape of as many elements.</summary>
    public Tensor WithShape(params IReadOnlyList<long> shape) =>
        Mapped is { } mapped ? FromFile(Name, ElementType, shape, mapped) : FromBytes(Name, ElementType, shape, Bytes());

    /// <summary>Writes the packed content; what lies in a file passes through a small buffer.</summary>
    public void CopyTo(Stream stream)
    {
        if (Mapped is { } mapped)
            mapped.Scan(piece => stream.Write(piece.Span));
        else
            stream.Write(Bytes());
    }

    public override string ToString() => $"{Name}: {ElementType.OnnxName()}[{string.Join(',', _shape)}]";

    internal ReadOnlySpan<byte> Bytes() => Proto.HasRawData ? Proto.RawData.Span : TensorElements.TypedBytes(Proto);

    /// <summary>Mapped content may be unmapped once nothing refers to it; it is referred to until here.</summary>
    private T Held<T>(T values)
    {
        GC.KeepAlive(Proto);
        return values;
    }

    /// <summary>Elements spread over the file would fetch nearly all of it, so these are the first.</summary>
    private double ZeroFraction(MappedBytes mapped, int elements)
    {
        var bytes = Bytes();
        var zeros = 0;
        for (var i = 0; i < elements; i++)
            zeros += TensorElements.Real(Name, ElementType, bytes, i) == 0 ? 1 : 0;
        mapped.Release();
        GC.KeepAlive(mapped);
        return elements == 0 ? 0 : zeros / (double)elements;
    }

    private static void CheckLength(string name, ElementType type, IReadOnlyList<long> shape, long bytes)
    {
        var wanted = type.ByteCount(TensorCheck.Count(name, shape));
        if (bytes != wanted)
            throw new OnnxException(name, $"{bytes} bytes given where type and shape want {wanted}");
    }

    private static Tensor Of(string name, ElementType type, IReadOnlyList<long> shape, ByteString bytes)
    {
        var proto = new TensorProto { Name = name, DataType = (int)type, RawData = bytes };
        proto.Dims.AddRange(shape);
        return new Tensor(proto);
    }
}
