using System.Buffers.Binary;

namespace Orchestrator.Compression.Data;

/// <summary>Elements of NumPy arrays as numbers of ours.</summary>
internal static class NpyElements
{
    public static double Real(NpyType type, ReadOnlySpan<byte> bytes, int index) => type switch
    {
        NpyType.Float16 => (double)BinaryPrimitives.ReadHalfLittleEndian(bytes[(2 * index)..]),
        NpyType.Float32 => BinaryPrimitives.ReadSingleLittleEndian(bytes[(4 * index)..]),
        NpyType.Float64 => BinaryPrimitives.ReadDoubleLittleEndian(bytes[(8 * index)..]),
        _ => Integer(type, bytes, index),
    };

    public static long Integer(NpyType type, ReadOnlySpan<byte> bytes, int index) => type switch
    {
        NpyType.UInt8 => bytes[index],
        NpyType.Boolean => bytes[index] == 0 ? 0 : 1,
        NpyType.Int8 => (sbyte)bytes[index],
        NpyType.Int16 => BinaryPrimitives.ReadInt16LittleEndian(bytes[(2 * index)..]),
        NpyType.Int32 => BinaryPrimitives.ReadInt32LittleEndian(bytes[(4 * index)..]),
        NpyType.Int64 => BinaryPrimitives.ReadInt64LittleEndian(bytes[(8 * index)..]),
        _ => throw new ArgumentOutOfRangeException(nameof(type), type, "Not an integer type."),
    };

    public static void ToLongs(NpyType type, ReadOnlySpan<byte> bytes, Span<long> target)
    {
        for (var i = 0; i < target.Length; i++)
            target[i] = Integer(type, bytes, i);
    }

    /// <summary>Index of the first NaN or infinity; −1 where every element is a number. The length is a whole number of elements.</summary>
    public static int FirstNotFinite(NpyType type, ReadOnlySpan<byte> bytes)
    {
        if (!type.IsFloat())
            return -1;
        for (var i = 0; i < bytes.Length / type.Size(); i++)
        {
            if (!double.IsFinite(Real(type, bytes, i)))
                return i;
        }

        return -1;
    }
}
