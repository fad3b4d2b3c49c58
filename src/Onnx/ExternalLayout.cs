using System.Globalization;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx;

/// <summary>
/// A model as two files: the message, and one file with the bytes of every large initializer, which is written tensor by tensor, so that a
/// model of any size can be written.
/// </summary>
public sealed class ExternalLayout
{
    /// <summary>Initializers below stay in the message. Whoever reads external data takes smaller tensors into memory at once.</summary>
    public const int MinBytes = 1 << 16;

    /// <summary>Readers map a tensor's bytes where they start at a page.</summary>
    public const int Alignment = 4096;

    private readonly List<(Tensor Tensor, long Offset)> _tensors = [];

    private ExternalLayout(OnnxModel model, string fileName)
    {
        foreach (var tensor in model.Graph.Initializers.Where(IsLarge))
        {
            _tensors.Add((tensor, DataLength));
            DataLength = Aligned(DataLength + tensor.ByteCount);
        }

        if (_tensors is [.., var last])
            DataLength = last.Offset + last.Tensor.ByteCount;
        var offsets = _tensors.ToDictionary(t => t.Tensor.Name, t => t.Offset, StringComparer.Ordinal);
        Message = model.ToBytes(tensor => IsLarge(tensor) ? new ExternalPlace(fileName, offsets[tensor.Name]) : null);
    }

    /// <summary>The file's bytes but for the large initializers.</summary>
    public byte[] Message { get; }

    public long DataLength { get; }

    /// <param name="fileName">The file with the initializers, as the message names it: relative to the model's folder.</param>
    /// <exception cref="OnnxException">What is left in the message is larger than protobuf allows.</exception>
    public static ExternalLayout Of(OnnxModel model, string fileName) => new(model, fileName);

    /// <summary>Next offset at which a tensor may start.</summary>
    public static long Aligned(long offset) => (offset + Alignment - 1) / Alignment * Alignment;

    /// <summary>Writes the initializers' file.</summary>
    public void WriteData(Stream stream)
    {
        var at = 0L;
        foreach (var (tensor, offset) in _tensors)
        {
            stream.Write(new byte[offset - at]);
            tensor.CopyTo(stream);
            at = offset + tensor.ByteCount;
        }
    }

    /// <summary>Describes the tensor as lying elsewhere.</summary>
    internal static void Move(TensorProto tensor, ExternalPlace place, long length)
    {
        tensor.ClearRawData();
        tensor.FloatData.Clear();
        tensor.DoubleData.Clear();
        tensor.Int32Data.Clear();
        tensor.Int64Data.Clear();
        tensor.Uint64Data.Clear();
        tensor.DataLocation = TensorProto.Types.DataLocation.External;
        Entry("location", place.Location);
        Entry("offset", place.Offset.ToString(CultureInfo.InvariantCulture));
        Entry("length", length.ToString(CultureInfo.InvariantCulture));

        void Entry(string key, string value) => tensor.ExternalData.Add(new StringStringEntryProto { Key = key, Value = value });
    }

    private static bool IsLarge(Tensor tensor) => tensor.ElementType != ElementType.Text && tensor.ByteCount >= MinBytes;
}
