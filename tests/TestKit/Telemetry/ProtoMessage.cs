using System.Text;
using Google.Protobuf;

namespace Orchestrator.TestKit.Telemetry;

/// <summary>A protobuf message read without its schema: fields by number.</summary>
public sealed class ProtoMessage
{
    private readonly ILookup<int, byte[]> _fields;

    public ProtoMessage(byte[] content) => _fields = Read(content).ToLookup(f => f.Number, f => f.Bytes);

    /// <summary>All messages of a field.</summary>
    public IEnumerable<ProtoMessage> All(int number) => _fields[number].Select(bytes => new ProtoMessage(bytes));

    /// <summary>All messages at the end of a path of fields.</summary>
    public IEnumerable<ProtoMessage> All(int first, params int[] rest) => rest.Aggregate(All(first), (messages, number) => messages.SelectMany(m => m.All(number)));

    public string Text(int number) => Encoding.UTF8.GetString(_fields[number].FirstOrDefault([]));

    public string Hex(int number) => Convert.ToHexStringLower(_fields[number].FirstOrDefault([]));

    /// <summary>Fields with a length only; numbers are passed over.</summary>
    private static IEnumerable<(int Number, byte[] Bytes)> Read(byte[] content)
    {
        var input = new CodedInputStream(content);
        while (input.ReadTag() is not 0 and var tag)
        {
            if (WireFormat.GetTagWireType(tag) == WireFormat.WireType.LengthDelimited)
                yield return (WireFormat.GetTagFieldNumber(tag), input.ReadBytes().ToByteArray());
            else
                input.SkipLastField();
        }
    }
}
