namespace Orchestrator.EndToEnd.Tests;

/// <summary>Models of a few bytes, written field by field as protobuf lays them out.</summary>
internal static class TinyModels
{
    /// <summary>One Relu, opset 13, from <c>x</c> to <c>y</c>, both float [N,1,28,28].</summary>
    public static byte[] Relu()
    {
        byte[] node = [.. Field(1, "x"u8), .. Field(2, "y"u8), .. Field(3, "relu"u8), .. Field(4, "Relu"u8)];
        byte[] graph = [.. Field(1, node), .. Field(2, "g"u8), .. Field(11, Value("x"u8)), .. Field(12, Value("y"u8))];
        byte[] opset = [.. Field(1, ""u8), 0x10, 13];
        return [0x08, 8, .. Field(7, graph), .. Field(8, opset)];
    }

    private static byte[] Value(ReadOnlySpan<byte> name)
    {
        byte[] shape = [.. Field(1, Field(2, "N"u8)), .. Field(1, [0x08, 1]), .. Field(1, [0x08, 28]), .. Field(1, [0x08, 28])];
        byte[] tensor = [0x08, 1, .. Field(2, shape)];
        return [.. Field(1, name), .. Field(2, Field(1, tensor))];
    }

    private static byte[] Field(int number, ReadOnlySpan<byte> content) => [(byte)((number << 3) | 2), (byte)content.Length, .. content];
}
