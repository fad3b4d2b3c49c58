using System.Text;
using Orchestrator.Onnx.Reading;

namespace Orchestrator.Fuzzing.Onnx;

/// <summary>Mutations of a model that keep most of it sound, so that they get past the first check.</summary>
internal static class OnnxMutations
{
    private const int MaxFields = 20_000;

    /// <summary>Operators, attributes and external-data keys that the code looks for, and strings that it should not trust.</summary>
    private static readonly string[] s_words =
    [
        "", "x", "w", "y", "a/b", "Conv", "Gemm", "MatMul", "Add", "Sum", "Relu", "Identity", "Constant", "BatchNormalization", "Reshape", "Concat", "Shape",
        "Gather", "Slice", "Split", "Squeeze", "Unsqueeze", "Transpose", "Flatten", "Pad", "Resize", "Upsample", "Expand", "Tile", "Range", "TopK", "Softmax",
        "ConvTranspose", "MaxPool", "AveragePool", "GlobalAveragePool", "ReduceMean", "ReduceSum", "ConstantOfShape", "Where", "Equal", "Div", "Mul", "Sub",
        "Cast", "Clip", "Dropout", "If", "Loop", "Scan", "Size", "ReduceProd", "DepthToSpace", "SpaceToDepth", "GatherElements", "ArgMax", "LSTM", "Einsum",
        "QLinearConv", "MatMulInteger", "DequantizeLinear", "LayerNormalization", "DeformConv", "GridSample", "RoiAlign", "Scatter", "Max", "Min",
        "ai.onnx", "com.microsoft", "pads", "strides", "dilations", "kernel_shape", "group", "auto_pad", "SAME_UPPER", "SAME_LOWER", "VALID", "NOTSET",
        "axis", "axes", "perm", "shape", "starts", "ends", "steps", "split", "k", "keepdims", "transA", "transB", "alpha", "beta", "epsilon", "value",
        "value_int", "value_ints", "value_float", "value_floats", "scales", "sizes", "mode", "nearest", "linear", "output_shape", "output_padding",
        "training_mode", "spatial", "ceil_mode", "blocksize", "num_outputs", "allowzero", "then_branch", "else_branch", "body", "location", "offset",
        "length", "checksum", "basepath", "../x", "/etc/passwd", "a\0b", "\u001b[2J", "labels", "9223372036854775807", "-1",
    ];

    public static byte[] Mutate(byte[] input, byte[] other, Random random)
    {
        if (random.OneIn(8) || WireTree.Parse(input) is not { } tree)
            return ByteMutations.Mutate(input, other, random);
        var donor = WireTree.Parse(other) ?? tree.Clone();
        for (var left = random.Next(1, 6); left > 0; left--)
            Once(tree, donor, random);
        var bytes = tree.ToBytes();
        return bytes.Length > ByteMutations.MaxInput ? bytes[..ByteMutations.MaxInput] : bytes;
    }

    private static void Once(WireTree tree, WireTree donor, Random random)
    {
        var messages = tree.All().Take(MaxFields).ToList();
        var message = random.Pick(messages);
        if (message.Fields.Count == 0)
        {
            message.Fields.Add(Invented(random));
            return;
        }
        var index = random.Next(message.Fields.Count);
        var field = message.Fields[index];
        switch (random.Next(12))
        {
            case 0:
                message.Fields.RemoveAt(index);
                break;
            case 1:
                message.Fields.Insert(random.Next(message.Fields.Count + 1), field.Clone());
                break;
            case 2:
                (message.Fields[index], message.Fields[random.Next(message.Fields.Count)]) = (message.Fields[random.Next(message.Fields.Count)], field);
                break;
            case 3:
                Splice(message, donor, random);
                break;
            case 4:
                Rewire(messages, random);
                break;
            case 5:
                message.Fields.Insert(index, Invented(random));
                break;
            case 6 when random.OneIn(4):
                Repeat(message, field, random);
                break;
            case 7 when random.OneIn(4):
                Nest(tree, messages, random);
                break;
            default:
                Change(field, random);
                break;
        }
    }

    private static void Change(WireField field, Random random)
    {
        switch (random.Next(20))
        {
            case 0:
                field.Number = random.Next(1, 30);
                return;
            case 1:
                field.Type = (WireType)random.Next(8);
                return;
            case 2:
                field.DeclaredLength = (ulong)ByteMutations.Number(random, field.Bytes.Length);
                return;
        }
        if (field.Type == WireType.Varint)
            field.Value = (ulong)ByteMutations.Number(random, (long)field.Value);
        else if (field.Message is { Fields.Count: > 0 } inner)
            Change(random.Pick(inner.Fields), random);
        else if (field.Type == WireType.LengthDelimited && field.Bytes.Length < 100 && random.OneIn(2))
            field.Bytes = Encoding.UTF8.GetBytes(random.Pick(s_words));
        else if (field.Type == WireType.LengthDelimited && random.OneIn(2))
            field.Bytes = Packed(random);
        else
            field.Bytes = ByteMutations.Mutate(field.Bytes, [], random);
    }

    /// <summary>A message of the donor in the place of one of its kind.</summary>
    private static void Splice(WireTree message, WireTree donor, Random random)
    {
        var sources = donor.All().Where(m => m.Kind == message.Kind && m.Fields.Count > 0).ToList();
        if (sources.Count > 0)
            message.Fields.Insert(random.Next(message.Fields.Count + 1), random.Pick(random.Pick(sources).Fields).Clone());
    }

    /// <summary>A string of one place written in another: nodes read other values, weights change owners, cycles form.</summary>
    private static void Rewire(List<WireTree> messages, Random random)
    {
        var nodes = messages.Where(m => m.Kind is WireMessage.Node or WireMessage.Graph or WireMessage.Function).ToList();
        var strings = nodes.SelectMany(m => m.Fields).Where(f => f is { Type: WireType.LengthDelimited, Message: null }).ToList();
        if (strings.Count > 1)
            random.Pick(strings).Bytes = random.Pick(strings).Bytes;
    }

    private static void Repeat(WireTree message, WireField field, Random random)
    {
        var count = random.Pick<int>([2, 10, 100, 1000]);
        for (var i = 0; i < count; i++)
            message.Fields.Add(field.Clone());
    }

    /// <summary>Puts the whole graph into a body of one of its nodes, or a type into a type.</summary>
    private static void Nest(WireTree tree, List<WireTree> messages, Random random)
    {
        var graph = tree.Fields.Find(f => f.Message?.Kind == WireMessage.Graph);
        var nodes = messages.Where(m => m.Kind == WireMessage.Node).ToList();
        if (graph is null || nodes.Count == 0)
            return;
        var body = graph.Clone();
        body.Number = random.OneIn(2) ? 6 : 11;
        var attribute = new WireTree(WireMessage.Attribute);
        attribute.Fields.Add(new WireField { Number = 1, Type = WireType.LengthDelimited, Bytes = "body"u8.ToArray() });
        attribute.Fields.Add(body);
        random.Pick(nodes).Fields.Add(new WireField { Number = 5, Type = WireType.LengthDelimited, Message = attribute });
    }

    private static WireField Invented(Random random) => random.Next(3) switch
    {
        0 => new WireField { Number = random.Next(1, 30), Type = WireType.Varint, Value = (ulong)ByteMutations.Number(random, 0) },
        1 => new WireField { Number = random.Next(1, 30), Type = WireType.LengthDelimited, Bytes = Encoding.UTF8.GetBytes(random.Pick(s_words)) },
        _ => new WireField { Number = random.Next(1, 30), Type = WireType.LengthDelimited, Bytes = Packed(random) },
    };

    private static byte[] Packed(Random random)
    {
        var bytes = new List<byte>();
        for (var left = random.Next(1, 9); left > 0; left--)
            WireTree.Number(bytes, (ulong)ByteMutations.Number(random, 1));
        return [.. bytes];
    }
}
