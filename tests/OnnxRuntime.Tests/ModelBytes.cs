using System.Runtime.InteropServices;
using System.Text;

namespace Orchestrator.OnnxRuntime.Tests;

/// <summary>Writes small ONNX models field by field, so that these tests need no reader or writer of ours.</summary>
internal sealed class ModelBytes
{
    private const int Opset = 17;
    private readonly List<byte> _bytes = [];

    /// <summary>A float tensor whose shape mixes numbers, names of open dimensions and nothing for unnamed ones.</summary>
    public static ModelBytes Value(string name, ElementType type, params object[] shape) => new ModelBytes()
        .Text(1, name)
        .Message(2, new ModelBytes().Message(1, new ModelBytes().Number(1, (long)type).Message(2, Shape(shape))));

    public static ModelBytes Node(string type, string[] inputs, string[] outputs, params ModelBytes[] attributes)
    {
        var node = new ModelBytes();
        foreach (var input in inputs)
            node.Text(1, input);
        foreach (var output in outputs)
            node.Text(2, output);
        node.Text(3, outputs[0] + "/node").Text(4, type);
        foreach (var attribute in attributes)
            node.Message(5, attribute);
        return node;
    }

    public static ModelBytes GraphAttribute(string name, ModelBytes graph) => new ModelBytes().Text(1, name).Message(6, graph).Number(20, 5);

    public static ModelBytes NumberAttribute(string name, long value) => new ModelBytes().Text(1, name).Number(3, value).Number(20, 2);

    public static ModelBytes Tensor<T>(string name, long[] shape, params T[] values)
        where T : unmanaged
    {
        var tensor = new ModelBytes();
        foreach (var dimension in shape)
            tensor.Number(1, dimension);
        return tensor.Number(2, (long)ElementTypeExtensions.Of<T>()).Text(8, name).Bytes(9, MemoryMarshal.AsBytes<T>(values));
    }

    public static ModelBytes Graph(ModelBytes[] nodes, ModelBytes[] inputs, ModelBytes[] outputs, params ModelBytes[] initializers)
    {
        var graph = new ModelBytes();
        foreach (var node in nodes)
            graph.Message(1, node);
        graph.Text(2, "graph");
        foreach (var initializer in initializers)
            graph.Message(5, initializer);
        foreach (var input in inputs)
            graph.Message(11, input);
        foreach (var output in outputs)
            graph.Message(12, output);
        return graph;
    }

    public static byte[] Model(ModelBytes graph) => new ModelBytes()
        .Number(1, 8)
        .Message(7, graph)
        .Message(8, new ModelBytes().Text(1, "").Number(2, Opset))
        ._bytes.ToArray();

    /// <summary>y = x + bias over [batch, 3].</summary>
    public static byte[] AddModel() => Model(Graph(
        [Node("Add", ["x", "bias"], ["y"])],
        [Value("x", ElementType.Float, "batch", 3)],
        [Value("y", ElementType.Float, "batch", 3)],
        Tensor("bias", [3], 10f, 20f, 30f)));

    /// <summary>y = x for any shape of one element type.</summary>
    public static byte[] IdentityModel(ElementType type, int rank)
    {
        var shape = Enumerable.Range(0, rank).Select(axis => (object)$"d{axis}").ToArray();
        return Model(Graph([Node("Identity", ["x"], ["y"])], [Value("x", type, shape)], [Value("y", type, shape)]));
    }

    /// <summary>Adds 1 to x, <paramref name="rounds"/> times over, one operator a time.</summary>
    public static byte[] LoopModel(long rounds)
    {
        var body = Graph(
            [Node("Add", ["state", "one"], ["next"]), Node("Identity", ["condition"], ["again"])],
            [Value("round", ElementType.Int64), Value("condition", ElementType.Bool), Value("state", ElementType.Float, 1)],
            [Value("again", ElementType.Bool), Value("next", ElementType.Float, 1)],
            Tensor("one", [1], 1f));
        return Model(Graph(
            [Node("Loop", ["rounds", "go", "x"], ["y"], GraphAttribute("body", body))],
            [Value("x", ElementType.Float, 1)],
            [Value("y", ElementType.Float, 1)],
            Tensor("rounds", [], rounds),
            Tensor("go", [], true)));
    }

    public ModelBytes Number(int field, long value)
    {
        Varint((ulong)field << 3);
        Varint((ulong)value);
        return this;
    }

    public ModelBytes Text(int field, string value) => Bytes(field, Encoding.UTF8.GetBytes(value));

    public ModelBytes Message(int field, ModelBytes message) => Bytes(field, message._bytes.ToArray());

    private ModelBytes Bytes(int field, ReadOnlySpan<byte> value)
    {
        Varint(((ulong)field << 3) | 2);
        Varint((ulong)value.Length);
        _bytes.AddRange(value);
        return this;
    }

    private static ModelBytes Shape(object[] shape)
    {
        var message = new ModelBytes();
        foreach (var dimension in shape)
        {
            message.Message(1, dimension switch
            {
                int number => new ModelBytes().Number(1, number),
                string { Length: > 0 } name => new ModelBytes().Text(2, name),
                _ => new ModelBytes(),
            });
        }

        return message;
    }

    private void Varint(ulong value)
    {
        while (value >= 0x80)
        {
            _bytes.Add((byte)(value | 0x80));
            value >>= 7;
        }

        _bytes.Add((byte)value);
    }
}
