using System.Buffers.Binary;
using System.Runtime.InteropServices;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx;

/// <summary>Element codecs: between ONNX's packed little-endian bytes and numbers.</summary>
internal static class TensorElements
{
    /// <summary>Inclusive range of an integer type of at most 32 bits.</summary>
    public static (int Min, int Max) CodeRange(ElementType type) => type switch
    {
        ElementType.UInt2 => (0, 3),
        ElementType.Int2 => (-2, 1),
        ElementType.UInt4 => (0, 15),
        ElementType.Int4 => (-8, 7),
        ElementType.UInt8 => (0, byte.MaxValue),
        ElementType.Int8 => (sbyte.MinValue, sbyte.MaxValue),
        ElementType.UInt16 => (0, ushort.MaxValue),
        ElementType.Int16 => (short.MinValue, short.MaxValue),
        ElementType.Int32 => (int.MinValue, int.MaxValue),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "not an integer type for codes"),
    };

    public static byte[] EncodeCodes(string name, ElementType type, ReadOnlySpan<int> codes)
    {
        var (min, max) = CodeRange(type);
        var bits = type.Bits();
        var bytes = new byte[type.ByteCount(codes.Length)];
        for (var i = 0; i < codes.Length; i++)
        {
            if (codes[i] < min || codes[i] > max)
                throw new OnnxException(name, $"code {codes[i]} lies outside {type.OnnxName()}, {min} to {max}");
            if (bits == 32)
                BinaryPrimitives.WriteInt32LittleEndian(bytes.AsSpan(4 * i), codes[i]);
            else if (bits == 16)
                BinaryPrimitives.WriteInt16LittleEndian(bytes.AsSpan(2 * i), unchecked((short)codes[i]));
            else
                bytes[(int)((long)i * bits / 8)] |= (byte)((codes[i] & ((1 << bits) - 1)) << (int)((long)i * bits % 8));
        }
        return bytes;
    }

    public static byte[] EncodeReals(string name, ElementType type, ReadOnlySpan<double> values)
    {
        var bytes = new byte[type.ByteCount(values.Length)];
        for (var i = 0; i < values.Length; i++)
        {
            switch (type)
            {
                case ElementType.Float32:
                    BinaryPrimitives.WriteSingleLittleEndian(bytes.AsSpan(4 * i), (float)values[i]);
                    break;
                case ElementType.Float64:
                    BinaryPrimitives.WriteDoubleLittleEndian(bytes.AsSpan(8 * i), values[i]);
                    break;
                case ElementType.Float16:
                    BinaryPrimitives.WriteHalfLittleEndian(bytes.AsSpan(2 * i), (Half)values[i]);
                    break;
                case ElementType.BFloat16:
                    BinaryPrimitives.WriteUInt16LittleEndian(bytes.AsSpan(2 * i), BFloat16Bits((float)values[i]));
                    break;
                default:
                    throw new OnnxException(name, $"{type.OnnxName()} is not a real type");
            }
        }
        return bytes;
    }

    public static double Real(string name, ElementType type, ReadOnlySpan<byte> bytes, int index) => type switch
    {
        ElementType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * index)..]),
        ElementType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * index)..]),
        ElementType.Float16 => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * index)..]),
        ElementType.BFloat16 => BitConverter.Int32BitsToSingle(BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * index)..]) << 16),
        ElementType.UInt64 => BinaryPrimitives.ReadUInt64LittleEndian(bytes[(8 * index)..]),
        _ => Integer(name, type, bytes, index),
    };

    public static long Integer(string name, ElementType type, ReadOnlySpan<byte> bytes, int index) => type switch
    {
        ElementType.Bool or ElementType.UInt8 => bytes[index],
        ElementType.Int8 => (sbyte)bytes[index],
        ElementType.UInt16 => BinaryPrimitives.ReadUInt16LittleEndian(bytes[(2 * index)..]),
        ElementType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * index)..]),
        ElementType.UInt32 => BinaryPrimitives.ReadUInt32LittleEndian(bytes[(4 * index)..]),
        ElementType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * index)..]),
        ElementType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes[(8 * index)..]),
        ElementType.UInt4 => SubByte(bytes, index, 4),
        ElementType.Int4 => ((SubByte(bytes, index, 4) ^ 8) - 8),
        ElementType.UInt2 => SubByte(bytes, index, 2),
        ElementType.Int2 => ((SubByte(bytes, index, 2) ^ 2) - 2),
        _ => throw new OnnxException(name, $"values of type {type.OnnxName()} cannot be read as numbers"),
    };

    /// <summary>Raw bytes of a tensor whose values sit in one of the typed fields.</summary>
    public static byte[] TypedBytes(TensorProto tensor)
    {
        var type = (ElementType)tensor.DataType;
        switch (type)
        {
            case ElementType.Float32 or ElementType.Complex64:
                return MemoryMarshal.AsBytes<float>([.. tensor.FloatData]).ToArray();
            case ElementType.Float64 or ElementType.Complex128:
                return MemoryMarshal.AsBytes<double>([.. tensor.DoubleData]).ToArray();
            case ElementType.Int64:
                return MemoryMarshal.AsBytes<long>([.. tensor.Int64Data]).ToArray();
            case ElementType.UInt64:
                return MemoryMarshal.AsBytes<ulong>([.. tensor.Uint64Data]).ToArray();
            case ElementType.UInt32:
                return MemoryMarshal.AsBytes<uint>([.. tensor.Uint64Data.Select(v => unchecked((uint)v))]).ToArray();
            case ElementType.Int32:
                return MemoryMarshal.AsBytes<int>([.. tensor.Int32Data]).ToArray();
            default:
                return type.Bits() == 16
                    ? MemoryMarshal.AsBytes<ushort>([.. tensor.Int32Data.Select(v => unchecked((ushort)v))]).ToArray()
                    : [.. tensor.Int32Data.Select(v => unchecked((byte)v))];
        }
    }

    private static int SubByte(ReadOnlySpan<byte> bytes, int index, int bits) =>
        (bytes[(int)((long)index * bits / 8)] >> (int)((long)index * bits % 8)) & ((1 << bits) - 1);

    /// <summary>Upper half of the float, rounded to nearest even; a NaN stays one.</summary>
    private static ushort BFloat16Bits(float value)
    {
        var bits = BitConverter.SingleToUInt32Bits(value);
        return float.IsNaN(value) ? (ushort)((bits >> 16) | 0x40) : (ushort)((bits + 0x7fff + ((bits >> 16) & 1)) >> 16);
    }
}
