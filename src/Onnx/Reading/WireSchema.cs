namespace Orchestrator.Onnx.Reading;

/// <summary>Message types of <c>onnx.proto</c> as far as nesting goes.</summary>
internal enum WireMessage
{
    None,
    Model,
    Graph,
    Node,
    Attribute,
    Tensor,
    SparseTensor,
    Value,
    Type,
    TensorType,
    NestedType,
    MapType,
    Shape,
    Annotation,
    Function,
    Training,
    NodeDevice,
    Sharding,
    ShardedDimension,
    Pair,
    Opset,
    Dimension,
    Device,
    Leaf,
}

/// <summary>What the fields of a message hold, one bit a field number, and what an object of it takes in memory.</summary>
/// <param name="Bytes">Of the object with its empty lists, and of what the graph keeps beside it.</param>
/// <param name="Numbers">Varints.</param>
/// <param name="Names">Strings that other parts of the model refer to.</param>
/// <param name="Texts">Strings that nothing refers to.</param>
/// <param name="Blobs">Bytes.</param>
/// <param name="Floats">Four bytes.</param>
/// <param name="Doubles">Eight bytes.</param>
/// <param name="Single">Messages of which there is at most one.</param>
internal readonly record struct WireShape(
    int Bytes, uint Numbers = 0, uint Names = 0, uint Texts = 0, uint Blobs = 0, uint Floats = 0, uint Doubles = 0, uint Single = 0)
{
    public static uint Fields(params ReadOnlySpan<int> numbers)
    {
        var mask = 0u;
        foreach (var number in numbers)
            mask |= 1u << number;
        return mask;
    }

    public static bool Has(uint mask, int field) => field < 32 && (mask & (1u << field)) != 0;
}

/// <summary>Which fields of which message hold what.</summary>
internal static class WireSchema
{
    /// <summary>The field of a tensor that holds its bytes.</summary>
    public const int RawData = 9;

    /// <summary>The field of a tensor that holds numbers of up to 32 bits.</summary>
    public const int Int32Data = 5;

    // Object sizes are measured (WireSchemaTests compares them with the generated classes); a node and an initializer count what the graph
    // keeps of them besides: wrapper, look-up tables, the lists of a message with its first entries.
    private const int GraphOfNode = 620;
    private const int GraphOfTensor = 330;

    private static readonly WireShape s_model = new(288, Numbers: F(1, 5), Names: F(4), Texts: F(2, 3, 6), Single: F(7));
    private static readonly WireShape s_graph = new(360, Names: F(2), Texts: F(10));
    private static readonly WireShape s_node = new(264 + GraphOfNode, Names: F(1, 2, 3, 4, 7, 8), Texts: F(6));
    private static readonly WireShape s_attribute = new(392, Numbers: F(3, 8, 20), Names: F(1, 21), Texts: F(13), Blobs: F(4, 9), Floats: F(2, 7), Single: F(5, 6, 14, 22));
    private static readonly WireShape s_tensor = new(432 + GraphOfTensor, F(1, 2, 5, 7, 11, 14), Names: F(8), Texts: F(12), Blobs: F(6, 9), Floats: F(4), Doubles: F(10), Single: F(3));
    private static readonly WireShape s_sparse = new(80, Numbers: F(3), Single: F(1, 2));
    private static readonly WireShape s_value = new(88, Names: F(1), Texts: F(3), Single: F(2));
    private static readonly WireShape s_type = new(48, Texts: F(6), Single: F(1, 4, 5, 7, 8, 9));
    private static readonly WireShape s_tensorType = new(40, Numbers: F(1), Single: F(2));
    private static readonly WireShape s_nestedType = new(32, Single: F(1));
    private static readonly WireShape s_mapType = new(40, Numbers: F(1), Single: F(2));
    private static readonly WireShape s_shape = new(64);
    private static readonly WireShape s_annotation = new(72, Names: F(1));
    private static readonly WireShape s_function = new(376, Names: F(1, 4, 5, 6, 10, 13), Texts: F(8));
    private static readonly WireShape s_training = new(120, Single: F(1, 2));
    private static readonly WireShape s_nodeDevice = new(80, Numbers: F(3), Texts: F(1));
    private static readonly WireShape s_sharding = new(152, Numbers: F(2), Names: F(1));
    private static readonly WireShape s_shardedDimension = new(80, Numbers: F(1));
    private static readonly WireShape s_pair = new(40, Texts: F(1, 2));
    private static readonly WireShape s_opset = new(48, Numbers: F(2), Texts: F(1));
    private static readonly WireShape s_dimension = new(48, Numbers: F(1), Texts: F(2, 3));
    private static readonly WireShape s_device = new(80, Numbers: F(2), Texts: F(1, 3));
    private static readonly WireShape s_leaf = new(400, Numbers: F(1, 2, 3), Texts: F(2));

    public static WireShape Shape(WireMessage message) => message switch
    {
        WireMessage.Model => s_model,
        WireMessage.Graph => s_graph,
        WireMessage.Node => s_node,
        WireMessage.Attribute => s_attribute,
        WireMessage.Tensor => s_tensor,
        WireMessage.SparseTensor => s_sparse,
        WireMessage.Value => s_value,
        WireMessage.Type => s_type,
        WireMessage.TensorType => s_tensorType,
        WireMessage.NestedType => s_nestedType,
        WireMessage.MapType => s_mapType,
        WireMessage.Shape => s_shape,
        WireMessage.Annotation => s_annotation,
        WireMessage.Function => s_function,
        WireMessage.Training => s_training,
        WireMessage.NodeDevice => s_nodeDevice,
        WireMessage.Sharding => s_sharding,
        WireMessage.ShardedDimension => s_shardedDimension,
        WireMessage.Pair => s_pair,
        WireMessage.Opset => s_opset,
        WireMessage.Dimension => s_dimension,
        WireMessage.Device => s_device,
        WireMessage.Leaf => s_leaf,
        _ => default,
    };

    private static uint F(params ReadOnlySpan<int> fields) => WireShape.Fields(fields);

    public static WireMessage Child(WireMessage message, int field) => message switch
    {
        WireMessage.Model => OfModel(field),
        WireMessage.Graph => OfGraph(field),
        WireMessage.Node => OfNode(field),
        WireMessage.Attribute => OfAttribute(field),
        WireMessage.Function => OfFunction(field),
        WireMessage.Training => field is 1 or 2 ? WireMessage.Graph : field is 3 or 4 ? WireMessage.Pair : WireMessage.None,
        WireMessage.Tensor => field == 3 ? WireMessage.Leaf : field is 13 or 16 ? WireMessage.Pair : WireMessage.None,
        WireMessage.SparseTensor => field is 1 or 2 ? WireMessage.Tensor : WireMessage.None,
        WireMessage.Value => field == 2 ? WireMessage.Type : field == 4 ? WireMessage.Pair : WireMessage.None,
        WireMessage.Type => OfType(field),
        WireMessage.TensorType => field == 2 ? WireMessage.Shape : WireMessage.None,
        WireMessage.NestedType => field == 1 ? WireMessage.Type : WireMessage.None,
        WireMessage.MapType => field == 2 ? WireMessage.Type : WireMessage.None,
        WireMessage.Shape => field == 1 ? WireMessage.Dimension : WireMessage.None,
        WireMessage.Annotation => field == 2 ? WireMessage.Pair : WireMessage.None,
        WireMessage.NodeDevice => field == 2 ? WireMessage.Sharding : WireMessage.None,
        WireMessage.Sharding => field == 3 ? WireMessage.Leaf : field == 4 ? WireMessage.ShardedDimension : WireMessage.None,
        WireMessage.ShardedDimension => field == 2 ? WireMessage.Leaf : WireMessage.None,
        _ => WireMessage.None,
    };

    private static WireMessage OfModel(int field) => field switch
    {
        7 => WireMessage.Graph,
        8 => WireMessage.Opset,
        14 => WireMessage.Pair,
        26 => WireMessage.Device,
        20 => WireMessage.Training,
        25 => WireMessage.Function,
        _ => WireMessage.None,
    };

    private static WireMessage OfGraph(int field) => field switch
    {
        1 => WireMessage.Node,
        5 => WireMessage.Tensor,
        11 or 12 or 13 => WireMessage.Value,
        14 => WireMessage.Annotation,
        15 => WireMessage.SparseTensor,
        16 => WireMessage.Pair,
        _ => WireMessage.None,
    };

    private static WireMessage OfNode(int field) => field switch
    {
        5 => WireMessage.Attribute,
        9 => WireMessage.Pair,
        10 => WireMessage.NodeDevice,
        _ => WireMessage.None,
    };

    private static WireMessage OfAttribute(int field) => field switch
    {
        5 or 10 => WireMessage.Tensor,
        6 or 11 => WireMessage.Graph,
        14 or 15 => WireMessage.Type,
        22 or 23 => WireMessage.SparseTensor,
        _ => WireMessage.None,
    };

    private static WireMessage OfFunction(int field) => field switch
    {
        7 => WireMessage.Node,
        9 => WireMessage.Opset,
        14 => WireMessage.Pair,
        11 => WireMessage.Attribute,
        12 => WireMessage.Value,
        _ => WireMessage.None,
    };

    private static WireMessage OfType(int field) => field switch
    {
        1 or 8 => WireMessage.TensorType,
        4 or 9 => WireMessage.NestedType,
        5 => WireMessage.MapType,
        7 => WireMessage.Pair,
        _ => WireMessage.None,
    };
}
