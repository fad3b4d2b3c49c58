using Orchestrator.Onnx.Reading;

namespace Orchestrator.Fuzzing.Onnx;

/// <summary>A protobuf message taken apart by ONNX's schema, open to any change, sensible or not.</summary>
internal sealed class WireTree(WireMessage kind)
{
    private const int MaxDepth = 200;

    public WireMessage Kind { get; } = kind;

    public List<WireField> Fields { get; } = [];

    /// <summary>Null where the bytes are no message.</summary>
    public static WireTree? Parse(ReadOnlySpan<byte> bytes, WireMessage kind = WireMessage.Model, int depth = 0)
    {
        var tree = new WireTree(kind);
        while (bytes.Length > 0)
        {
            if (Varint(ref bytes) is not { } tag || tag >> 3 is 0 or > int.MaxValue)
                return null;
            var field = new WireField { Number = (int)(tag >> 3), Type = (WireType)(tag & 7) };
            if (!Read(field, ref bytes, kind, depth))
                return null;
            tree.Fields.Add(field);
        }
        return tree;
    }

    public byte[] ToBytes()
    {
        var bytes = new List<byte>();
        Write(bytes);
        return [.. bytes];
    }

    public WireTree Clone()
    {
        var copy = new WireTree(Kind);
        copy.Fields.AddRange(Fields.Select(f => f.Clone()));
        return copy;
    }

    /// <summary>This message and all below it.</summary>
    public IEnumerable<WireTree> All() => Fields.Where(f => f.Message is not null).SelectMany(f => f.Message!.All()).Prepend(this);

    public static List<byte> Number(List<byte> bytes, ulong value)
    {
        for (; value >= 0x80; value >>= 7)
            bytes.Add((byte)(value | 0x80));
        bytes.Add((byte)value);
        return bytes;
    }

    private static bool Read(WireField field, ref ReadOnlySpan<byte> bytes, WireMessage kind, int depth)
    {
        switch (field.Type)
        {
            case WireType.Varint:
                if (Varint(ref bytes) is not { } value)
                    return false;
                field.Value = value;
                return true;
            case WireType.Fixed64:
                return Take(field, ref bytes, 8);
            case WireType.Fixed32:
                return Take(field, ref bytes, 4);
            case WireType.LengthDelimited:
                if (Varint(ref bytes) is not { } length || length > (ulong)bytes.Length || !Take(field, ref bytes, (int)length))
                    return false;
                if (WireSchema.Child(kind, field.Number) is not WireMessage.None and var child && depth < MaxDepth)
                    field.Message = Parse(field.Bytes, child, depth + 1);
                return true;
            default:
                return false;
        }
    }

    private static bool Take(WireField field, ref ReadOnlySpan<byte> bytes, int count)
    {
        if (bytes.Length < count)
            return false;
        field.Bytes = bytes[..count].ToArray();
        bytes = bytes[count..];
        return true;
    }

    private static ulong? Varint(ref ReadOnlySpan<byte> bytes)
    {
        ulong value = 0;
        for (var i = 0; i < 10 && i < bytes.Length; i++)
        {
            value |= (ulong)(bytes[i] & 0x7f) << (7 * i);
            if (bytes[i] < 0x80)
            {
                bytes = bytes[(i + 1)..];
                return value;
            }
        }
        return null;
    }

    private void Write(List<byte> bytes)
    {
        foreach (var field in Fields)
        {
            Number(bytes, ((ulong)field.Number << 3) | (uint)field.Type);
            if (field.Type == WireType.Varint)
            {
                Number(bytes, field.Value);
                continue;
            }
            var content = field.Message?.ToBytes() ?? field.Bytes;
            if (field.Type == WireType.LengthDelimited)
                Number(bytes, field.DeclaredLength ?? (ulong)content.Length);
            bytes.AddRange(content);
        }
    }
}

/// <summary>One field as it stands in the file.</summary>
internal sealed class WireField
{
    public int Number { get; set; }

    public WireType Type { get; set; }

    public ulong Value { get; set; }

    public byte[] Bytes { get; set; } = [];

    /// <summary>The content where the schema says that it is a message and it can be read as one.</summary>
    public WireTree? Message { get; set; }

    /// <summary>A length that lies; null tells the truth.</summary>
    public ulong? DeclaredLength { get; set; }

    public WireField Clone() => new()
    {
        Number = Number,
        Type = Type,
        Value = Value,
        Bytes = Bytes,
        Message = Message?.Clone(),
        DeclaredLength = DeclaredLength,
    };
}
