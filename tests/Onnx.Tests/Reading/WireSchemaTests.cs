using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Onnx.Tests.Reading;

/// <summary>The table that memory is reckoned by, held to the classes that protobuf generates.</summary>
public sealed class WireSchemaTests
{
    private static readonly Dictionary<string, (WireMessage Kind, Func<IMessage> Create)> Messages = new()
    {
        ["model"] = (WireMessage.Model, () => new ModelProto()),
        ["graph"] = (WireMessage.Graph, () => new GraphProto()),
        ["node"] = (WireMessage.Node, () => new NodeProto()),
        ["attribute"] = (WireMessage.Attribute, () => new AttributeProto()),
        ["tensor"] = (WireMessage.Tensor, () => new TensorProto()),
        ["sparse tensor"] = (WireMessage.SparseTensor, () => new SparseTensorProto()),
        ["value"] = (WireMessage.Value, () => new ValueInfoProto()),
        ["type"] = (WireMessage.Type, () => new TypeProto()),
        ["tensor type"] = (WireMessage.TensorType, () => new TypeProto.Types.Tensor()),
        ["sequence"] = (WireMessage.NestedType, () => new TypeProto.Types.Sequence()),
        ["map"] = (WireMessage.MapType, () => new TypeProto.Types.Map()),
        ["shape"] = (WireMessage.Shape, () => new TensorShapeProto()),
        ["dimension"] = (WireMessage.Dimension, () => new TensorShapeProto.Types.Dimension()),
        ["annotation"] = (WireMessage.Annotation, () => new TensorAnnotation()),
        ["function"] = (WireMessage.Function, () => new FunctionProto()),
        ["training"] = (WireMessage.Training, () => new TrainingInfoProto()),
        ["node device"] = (WireMessage.NodeDevice, () => new NodeDeviceConfigurationProto()),
        ["sharding"] = (WireMessage.Sharding, () => new ShardingSpecProto()),
        ["sharded dimension"] = (WireMessage.ShardedDimension, () => new ShardedDimProto()),
        ["pair"] = (WireMessage.Pair, () => new StringStringEntryProto()),
        ["operator set"] = (WireMessage.Opset, () => new OperatorSetIdProto()),
        ["device"] = (WireMessage.Device, () => new DeviceConfigurationProto()),
        ["integers"] = (WireMessage.Leaf, () => new IntIntListEntryProto()),
    };

    public static TheoryData<string> Names => [.. Messages.Keys];

    [Theory]
    [MemberData(nameof(Names))]
    public void No_message_takes_more_than_the_table_says(string name)
    {
        const int Times = 200;
        var (kind, create) = Messages[name];
        create();
        var before = GC.GetAllocatedBytesForCurrentThread();
        for (var i = 0; i < Times; i++)
            create();

        Assert.InRange((GC.GetAllocatedBytesForCurrentThread() - before) / Times, 1, WireSchema.Shape(kind).Bytes);
    }

    /// <summary>A field that the schema knows and the table does not would be charged, and read, as something else.</summary>
    [Theory]
    [MemberData(nameof(Names))]
    public void The_table_knows_every_field(string name)
    {
        var (kind, create) = Messages[name];
        var shape = WireSchema.Shape(kind);
        foreach (var field in create().Descriptor.Fields.InFieldNumberOrder())
        {
            var number = field.FieldNumber;
            var isKnown = field.FieldType switch
            {
                Google.Protobuf.Reflection.FieldType.Message => WireSchema.Child(kind, number) != WireMessage.None,
                Google.Protobuf.Reflection.FieldType.String => WireShape.Has(shape.Names | shape.Texts, number),
                Google.Protobuf.Reflection.FieldType.Bytes => WireShape.Has(shape.Blobs, number),
                Google.Protobuf.Reflection.FieldType.Float => WireShape.Has(shape.Floats, number),
                Google.Protobuf.Reflection.FieldType.Double => WireShape.Has(shape.Doubles, number),
                _ => WireShape.Has(shape.Numbers, number),
            };
            Assert.True(isKnown, $"{name}.{field.Name} ({number})");
            if (field is { IsRepeated: false, FieldType: Google.Protobuf.Reflection.FieldType.Message })
                Assert.True(WireShape.Has(shape.Single, number), $"{name}.{field.Name} is single");
        }
    }
}
