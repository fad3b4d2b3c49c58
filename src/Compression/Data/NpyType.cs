namespace Orchestrator.Compression.Data;

#pragma warning disable CA1720 // Element types are called what NumPy calls them.
/// <summary>The element types of NumPy arrays that we read, all little-endian.</summary>
public enum NpyType
{
    Float16,
    Float32,
    Float64,
    UInt8,
    Int8,
    Int16,
    Int32,
    Int64,
    Boolean,
}
#pragma warning restore CA1720

public static class NpyTypeExtensions
{
    /// <summary>Bytes of one element.</summary>
    public static int Size(this NpyType type) => type switch
    {
        NpyType.UInt8 or NpyType.Int8 or NpyType.Boolean => 1,
        NpyType.Float16 or NpyType.Int16 => 2,
        NpyType.Float32 or NpyType.Int32 => 4,
        _ => 8,
    };

    public static bool IsFloat(this NpyType type) => type is NpyType.Float16 or NpyType.Float32 or NpyType.Float64;

    /// <summary>The name as ONNX and NumPy write it.</summary>
    public static string Display(this NpyType type) => type switch
    {
        NpyType.Float16 => "float16",
        NpyType.Float32 => "float32",
        NpyType.Float64 => "float64",
        NpyType.UInt8 => "uint8",
        NpyType.Int8 => "int8",
        NpyType.Int16 => "int16",
        NpyType.Int32 => "int32",
        NpyType.Int64 => "int64",
        _ => "bool",
    };

    /// <summary>NumPy's code, as in a file's header.</summary>
    internal static string Code(this NpyType type) => type switch
    {
        NpyType.Float16 => "<f2",
        NpyType.Float32 => "<f4",
        NpyType.Float64 => "<f8",
        NpyType.UInt8 => "|u1",
        NpyType.Int8 => "|i1",
        NpyType.Int16 => "<i2",
        NpyType.Int32 => "<i4",
        NpyType.Int64 => "<i8",
        _ => "|b1",
    };

    internal static NpyType? FromCode(string code)
    {
        foreach (var type in Enum.GetValues<NpyType>())
        {
            // One byte has no order: writers put any of the three marks before it.
            if (type.Code() == code || (type.Size() == 1 && code.Length == 3 && "<|=".Contains(code[0]) && type.Code()[1..] == code[1..]))
                return type;
        }

        return null;
    }
}
