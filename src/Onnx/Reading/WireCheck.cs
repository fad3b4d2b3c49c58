using System.Text.Unicode;

namespace Orchestrator.Onnx.Reading;

/// <summary>
/// Walks the protobuf wire format of a model without allocating anything, so that a hostile file is refused before the first object
/// exists: every varint ends, every length stays inside its message, nesting and counts are bounded, groups are closed, strings are text,
/// and the objects that the file would become fit the memory that its size allows.
/// </summary>
internal ref struct WireCheck
{
    /// <summary>Google's own readers stop here too.</summary>
    public const int MaxDepth = 100;

    /// <summary>Nodes in one model, bodies and functions included, and as many tensors.</summary>
    public const int MaxNodes = 1_000_000;

    /// <summary>Bytes of one name. The longest that exporters write are a few hundred.</summary>
    public const int MaxName = 4096;

    /// <summary>
    /// Objects may take this much and once the size of the file without its tensors. The file itself is in memory too, so that reading stays
    /// below 256 MiB and twice that size with room for the runtime.
    /// </summary>
    public const long MaxObjects = 160L << 20;

    /// <summary>A slot in a list that doubles, or a word of an object.</summary>
    private const int Slot = 16;

    private const int TextObject = 32;

    /// <summary>An entry of the set of fields that a message does not know, and once that set itself.</summary>
    private const int UnknownField = 300;

    private readonly ReadOnlySpan<byte> _bytes;
    private int _position;
    private int _nodes;
    private int _tensors;
    private long _objects;
    private long _tensorBytes;

    private WireCheck(ReadOnlySpan<byte> bytes) => _bytes = bytes;

    /// <exception cref="OnnxException">The bytes are not a well-formed model within the bounds.</exception>
    public static void Run(ReadOnlySpan<byte> model)
    {
        if (model.IsEmpty)
            throw new OnnxException("model", "the file is empty");
        new WireCheck(model).Message(WireMessage.Model, model.Length, 1);
    }

    private void Message(WireMessage kind, int end, int depth)
    {
        if (depth > MaxDepth)
            throw new OnnxException("model", $"messages are nested deeper than {MaxDepth}");
        var (single, seen) = (WireSchema.Shape(kind).Single, 0u);
        while (_position < end)
        {
            var (field, wireType) = Tag(end);
            if (wireType == WireType.EndGroup)
                throw Malformed("a group ends that never began");
            // Protobuf merges what is given twice, copying all that came before each time; no writer makes use of it.
            if (wireType == WireType.LengthDelimited && WireShape.Has(single, field))
            {
                if (WireShape.Has(seen, field) || (seen != 0 && kind == WireMessage.Type))
                    throw Malformed($"field {field} is given twice");
                seen |= WireShape.Fields(field);
            }
            Value(kind, field, wireType, end, depth);
        }
    }

    private void Value(WireMessage kind, int field, WireType wireType, int end, int depth)
    {
        switch (wireType)
        {
            case WireType.Varint:
                Varint(end);
                Charge(WireShape.Has(WireSchema.Shape(kind).Numbers, field) ? Slot : UnknownField);
                break;
            case WireType.Fixed64:
                Skip(8, end);
                Charge(WireShape.Has(WireSchema.Shape(kind).Doubles, field) ? Slot : UnknownField);
                break;
            case WireType.Fixed32:
                Skip(4, end);
                Charge(WireShape.Has(WireSchema.Shape(kind).Floats, field) ? Slot : UnknownField);
                break;
            case WireType.LengthDelimited:
                LengthDelimited(kind, field, end, depth);
                break;
            case WireType.StartGroup:
                Charge(UnknownField);
                Group(field, end, depth + 1);
                break;
            default:
                throw Malformed($"wire type {(int)wireType} does not exist");
        }
    }

    private void LengthDelimited(WireMessage kind, int field, int end, int depth)
    {
        var length = Varint(end);
        if (length > (ulong)(end - _position))
            throw Malformed($"field {field} declares {length} bytes where {end - _position} are left (the file is truncated or not an ONNX model)");
        var fieldEnd = _position + (int)length;
        var child = WireSchema.Child(kind, field);
        if (child == WireMessage.None)
        {
            Content(kind, field, _bytes[_position..fieldEnd]);
            _position = fieldEnd;
            return;
        }
        Count(child);
        Charge(WireSchema.Shape(child).Bytes + Slot);
        Message(child, fieldEnd, depth + 1);
    }

    private void Content(WireMessage kind, int field, ReadOnlySpan<byte> content)
    {
        var shape = WireSchema.Shape(kind);
        if (kind == WireMessage.Tensor && field == WireSchema.RawData)
        {
            _tensorBytes += content.Length;
            Charge(TextObject + Slot);
        }
        else if (WireShape.Has(shape.Names, field) || WireShape.Has(shape.Texts, field))
        {
            Text(content, WireShape.Has(shape.Names, field));
            Charge(TextObject + Slot + (sizeof(char) * (long)content.Length));
        }
        else if (WireShape.Has(shape.Blobs, field))
            Charge(TextObject + (2 * Slot) + (long)content.Length);
        else if (WireShape.Has(shape.Numbers, field))
            Charge((kind == WireMessage.Tensor && field == WireSchema.Int32Data ? Slot / 2 : Slot) * (long)Varints(content));
        else if (WireShape.Has(shape.Floats, field) || WireShape.Has(shape.Doubles, field))
            Charge(content.Length);
        else
            Charge(UnknownField + (long)content.Length);
    }

    private readonly void Text(ReadOnlySpan<byte> text, bool isName)
    {
        if (!Utf8.IsValid(text))
            throw Malformed("a string is not UTF-8 text");
        if (!isName)
            return;
        if (text.Length > MaxName)
            throw new OnnxException("model", $"a name has {text.Length} bytes, at byte {_position}; at most {MaxName} are allowed");
        foreach (var character in text)
            if (character is < 0x20 or 0x7f)
                throw new OnnxException("model", $"a name holds the control character {character}, at byte {_position}");
    }

    /// <summary>Numbers in a packed list: bytes that end one.</summary>
    private static int Varints(ReadOnlySpan<byte> packed)
    {
        var count = 0;
        foreach (var next in packed)
            count += (next >> 7) ^ 1;
        return count;
    }

    private void Count(WireMessage child)
    {
        if (child == WireMessage.Node && ++_nodes > MaxNodes)
            throw new OnnxException("model", $"the model has more than {MaxNodes} nodes");
        if (child == WireMessage.Tensor && ++_tensors > MaxNodes)
            throw new OnnxException("model", $"the model has more than {MaxNodes} tensors");
    }

    private void Charge(long bytes)
    {
        _objects += bytes;
        if (_objects > MaxObjects + _position - _tensorBytes)
            throw new OnnxException(
                "model", $"its {_nodes} nodes, {_tensors} tensors and what belongs to them take more than {_objects >> 20} MiB of memory, too much for a file of this size",
                "Store weights as raw data or in external files, and keep loops as loops.");
    }

    private void Group(int field, int end, int depth)
    {
        if (depth > MaxDepth)
            throw new OnnxException("model", $"messages are nested deeper than {MaxDepth}");
        while (_position < end)
        {
            var (inner, wireType) = Tag(end);
            if (wireType != WireType.EndGroup)
                Value(WireMessage.None, inner, wireType, end, depth);
            else if (inner == field)
                return;
            else
                throw Malformed("groups overlap");
        }
        throw Malformed("a group has no end");
    }

    private (int Field, WireType WireType) Tag(int end)
    {
        var tag = Varint(end);
        if (tag > uint.MaxValue || tag >> 3 == 0)
            throw Malformed("a field number is out of range (not an ONNX model)");
        return ((int)(tag >> 3), (WireType)(tag & 7));
    }

    private ulong Varint(int end)
    {
        ulong value = 0;
        for (var shift = 0; shift < 70; shift += 7)
        {
            if (_position >= end)
                throw Malformed("a number is cut off (the file is truncated or not an ONNX model)");
            var next = _bytes[_position++];
            value |= (ulong)(next & 0x7f) << shift;
            if (next < 0x80)
                return value;
        }
        throw Malformed("a number is longer than ten bytes");
    }

    private void Skip(int count, int end)
    {
        if (end - _position < count)
            throw Malformed("a number is cut off (the file is truncated or not an ONNX model)");
        _position += count;
    }

    private readonly OnnxException Malformed(string what) => new("model", $"not a readable ONNX model: {what}, at byte {_position}");
}

internal enum WireType
{
    Varint = 0,
    Fixed64 = 1,
    LengthDelimited = 2,
    StartGroup = 3,
    EndGroup = 4,
    Fixed32 = 5,
}
