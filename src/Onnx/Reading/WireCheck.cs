namespace Orchestrator.Onnx.Reading;

/// <summary>
/// Walks the protobuf wire format of a model without allocating anything, so that a hostile file is refused before the first object
/// exists: every varint ends, every length stays inside its message, nesting and counts are bounded, groups are closed.
/// </summary>
internal ref struct WireCheck
{
    /// <summary>Google's own readers stop here too.</summary>
    public const int MaxDepth = 100;

    /// <summary>Messages and strings in one model. A network of 100,000 nodes has about two million; an empty message costs two bytes in
    /// the file but about a hundred in memory.</summary>
    public const int MaxElements = 8_000_000;

    private readonly ReadOnlySpan<byte> _bytes;
    private int _position;
    private int _elements;

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
        while (_position < end)
        {
            var (field, wireType) = Tag(end);
            if (wireType == WireType.EndGroup)
                throw Malformed("a group ends that never began");
            Value(kind, field, wireType, end, depth);
        }
    }

    private void Value(WireMessage kind, int field, WireType wireType, int end, int depth)
    {
        switch (wireType)
        {
            case WireType.Varint:
                Varint(end);
                break;
            case WireType.Fixed64:
                Skip(8, end);
                break;
            case WireType.Fixed32:
                Skip(4, end);
                break;
            case WireType.LengthDelimited:
                LengthDelimited(kind, field, end, depth);
                break;
            case WireType.StartGroup:
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
        if (++_elements > MaxElements)
            throw new OnnxException("model", $"the model has more than {MaxElements} messages and strings");
        var child = WireSchema.Child(kind, field);
        if (child == WireMessage.None)
            _position = fieldEnd;
        else
            Message(child, fieldEnd, depth + 1);
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
