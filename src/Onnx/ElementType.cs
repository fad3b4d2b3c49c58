namespace Orchestrator.Onnx;

/// <summary>Element types with the numbers of the ONNX specification.</summary>
public enum ElementType
{
    Undefined = 0,
    Float32 = 1,
    UInt8 = 2,
    Int8 = 3,
    UInt16 = 4,
    Int16 = 5,
    Int32 = 6,
    Int64 = 7,
    Text = 8,
    Bool = 9,
    Float16 = 10,
    Float64 = 11,
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
    Float4E2M1 = 23,
    Float8E8M0 = 24,
    UInt2 = 25,
    Int2 = 26,
}

public static class ElementTypeExtensions
{
    /// <summary>Bits one element takes; 0 for text and types this version does not know.</summary>
    public static int Bits(this ElementType type) => type switch
    {
        ElementType.UInt2 or ElementType.Int2 => 2,
        ElementType.UInt4 or ElementType.Int4 or ElementType.Float4E2M1 => 4,
        ElementType.UInt8 or ElementType.Int8 or ElementType.Bool or ElementType.Float8E8M0
            or (>= ElementType.Float8E4M3FN and <= ElementType.Float8E5M2FNUZ) => 8,
        ElementType.UInt16 or ElementType.Int16 or ElementType.Float16 or ElementType.BFloat16 => 16,
        ElementType.Float32 or ElementType.Int32 or ElementType.UInt32 => 32,
        ElementType.Float64 or ElementType.Int64 or ElementType.UInt64 or ElementType.Complex64 => 64,
        ElementType.Complex128 => 128,
        _ => 0,
    };

    /// <summary>The ONNX name in lower case: <c>float32</c>, <c>int64</c>, …</summary>
    public static string OnnxName(this ElementType type) => type == ElementType.Text ? "string" : type.ToString().ToLowerInvariant();

    /// <summary>A floating-point type whose values can be read as float: float32, float16, bfloat16 or float64.</summary>
    public static bool IsReal(this ElementType type) =>
        type is ElementType.Float32 or ElementType.Float16 or ElementType.BFloat16 or ElementType.Float64;

    /// <summary>Bytes that <paramref name="count"/> elements take when packed as ONNX packs them.</summary>
    /// <exception cref="OverflowException">The product does not fit in 64 bits.</exception>
    public static long ByteCount(this ElementType type, long count) => checked((count * type.Bits()) + 7) / 8;
}
