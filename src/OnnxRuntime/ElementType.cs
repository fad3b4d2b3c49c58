namespace Orchestrator.OnnxRuntime;

#pragma warning disable CA1720 // Element types are called what ONNX calls them.
/// <summary>Element types of tensors, numbered as in the C API.</summary>
public enum ElementType
{
    Undefined = 0,
    Float = 1,
    UInt8 = 2,
    Int8 = 3,
    UInt16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    String = 8,
    Bool = 9,
    Float16 = 10,
    Double = 11,
    UInt32 = 12,
    UInt64 = 13,
    Complex64 = 14,
    Complex128 = 15,
    BFloat16 = 16,
    Float8E4M3FN = 17,
    Float8E4M3FNUZ = 18,
    Float8E5M2 = 19,
    Float8E5M2FNUZ = 20,
    UInt4 = 21,
    Int4 = 22,
}
#pragma warning restore CA1720

public static class ElementTypeExtensions
{
    /// <summary>Bits of one element; 4-bit elements lie two to a byte.</summary>
    /// <exception cref="NotSupportedException">A type without a fixed size, such as strings.</exception>
    public static int Bits(this ElementType type) => type switch
    {
        ElementType.UInt4 or ElementType.Int4 => 4,
        ElementType.UInt8 or ElementType.Int8 or ElementType.Bool or ElementType.Float8E4M3FN or ElementType.Float8E4M3FNUZ
            or ElementType.Float8E5M2 or ElementType.Float8E5M2FNUZ => 8,
        ElementType.UInt16 or ElementType.Int16 or ElementType.Float16 or ElementType.BFloat16 => 16,
        ElementType.Float or ElementType.Int32 or ElementType.UInt32 => 32,
        ElementType.Double or ElementType.Int64 or ElementType.UInt64 or ElementType.Complex64 => 64,
        ElementType.Complex128 => 128,
        _ => throw new NotSupportedException($"Elements of type {type} have no fixed size."),
    };

    /// <summary>Bytes of a tensor of this shape.</summary>
    /// <exception cref="ArgumentOutOfRangeException">A negative dimension.</exception>
    /// <exception cref="OverflowException">The size does not fit 64 bits.</exception>
    public static long ByteLength(this ElementType type, ReadOnlySpan<long> shape) =>
        checked((ElementCount(shape) * type.Bits() + 7) / 8);

    /// <summary>The element type that holds values of the C# type.</summary>
    /// <exception cref="NotSupportedException">No element type corresponds.</exception>
    public static ElementType Of<T>()
        where T : unmanaged => default(T) switch
        {
            float => ElementType.Float,
            double => ElementType.Double,
            byte => ElementType.UInt8,
            sbyte => ElementType.Int8,
            ushort => ElementType.UInt16,
            short => ElementType.Int16,
            uint => ElementType.UInt32,
            int => ElementType.Int32,
            ulong => ElementType.UInt64,
            long => ElementType.Int64,
            bool => ElementType.Bool,
            Half => ElementType.Float16,
            _ => throw new NotSupportedException($"No tensor holds elements of type {typeof(T).Name}."),
        };

    internal static long ElementCount(ReadOnlySpan<long> shape)
    {
        long count = 1;
        foreach (var dimension in shape)
        {
            ArgumentOutOfRangeException.ThrowIfNegative(dimension, nameof(shape));
            count = checked(count * dimension);
        }

        return count;
    }
}
