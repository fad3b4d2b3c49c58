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
    Leaf,
}

/// <summary>Which fields of which message hold messages; the rest are scalars, strings or bytes.</summary>
internal static class WireSchema
{
    public static WireMessage Child(WireMessage message, int field) => message switch
    {
        WireMessage.Model => OfModel(field),
        WireMessage.Graph => OfGraph(field),
        WireMessage.Node => OfNode(field),
        WireMessage.Attribute => OfAttribute(field),
        WireMessage.Function => OfFunction(field),
        WireMessage.Training => field is 1 or 2 ? WireMessage.Graph : field is 3 or 4 ? WireMessage.Leaf : WireMessage.None,
        WireMessage.Tensor => field is 3 or 13 or 16 ? WireMessage.Leaf : WireMessage.None,
        WireMessage.SparseTensor => field is 1 or 2 ? WireMessage.Tensor : WireMessage.None,
        WireMessage.Value => field == 2 ? WireMessage.Type : field == 4 ? WireMessage.Leaf : WireMessage.None,
        WireMessage.Type => OfType(field),
        WireMessage.TensorType => field == 2 ? WireMessage.Shape : WireMessage.None,
        WireMessage.NestedType => field == 1 ? WireMessage.Type : WireMessage.None,
        WireMessage.MapType => field == 2 ? WireMessage.Type : WireMessage.None,
        WireMessage.Shape => field == 1 ? WireMessage.Leaf : WireMessage.None,
        WireMessage.Annotation => field == 2 ? WireMessage.Leaf : WireMessage.None,
        WireMessage.NodeDevice => field == 2 ? WireMessage.Sharding : WireMessage.None,
        WireMessage.Sharding => field == 3 ? WireMessage.Leaf : field == 4 ? WireMessage.ShardedDimension : WireMessage.None,
        WireMessage.ShardedDimension => field == 2 ? WireMessage.Leaf : WireMessage.None,
        _ => WireMessage.None,
    };

    private static WireMessage OfModel(int field) => field switch
    {
        7 => WireMessage.Graph,
        8 or 14 or 26 => WireMessage.Leaf,
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
        16 => WireMessage.Leaf,
        _ => WireMessage.None,
    };

    private static WireMessage OfNode(int field) => field switch
    {
        5 => WireMessage.Attribute,
        9 => WireMessage.Leaf,
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
        9 or 14 => WireMessage.Leaf,
        11 => WireMessage.Attribute,
        12 => WireMessage.Value,
        _ => WireMessage.None,
    };

    private static WireMessage OfType(int field) => field switch
    {
        1 or 8 => WireMessage.TensorType,
        4 or 9 => WireMessage.NestedType,
        5 => WireMessage.MapType,
        7 => WireMessage.Leaf,
        _ => WireMessage.None,
    };
}
