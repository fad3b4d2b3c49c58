using System.Globalization;
using Google.Protobuf;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>Tensors whose bytes lie in a file beside the model. Offset and length are checked against the shape and the open file before a byte is allocated.</summary>
internal sealed class ExternalData(string? folder)
{
    private readonly ExternalRanges _ranges = new();
    private readonly Dictionary<(string Path, long Offset, long Length), ByteString> _read = [];
    private long _total;

    /// <summary>Reads the bytes into the tensor, which afterwards is like any other.</summary>
    public void Load(TensorProto tensor, long expectedBytes)
    {
        var (location, offset, length) = Entries(tensor);
        if (length is { } declared && declared != expectedBytes)
            throw new OnnxException(tensor.Name, $"external data declares {declared} bytes where the shape wants {expectedBytes}");
        var path = ExternalPath.Resolve(tensor.Name, folder, location);
        if (_ranges.Add(path, offset, expectedBytes))
        {
            _total += expectedBytes;
            if (_total > OnnxModel.MaxBytes)
                throw new OnnxException(tensor.Name, $"the model and its external data are larger than {OnnxModel.MaxBytes} bytes");
            _read[(path, offset, expectedBytes)] = UnsafeByteOperations.UnsafeWrap(Read(path, location, offset, expectedBytes, tensor.Name));
        }

        tensor.RawData = _read[(path, offset, expectedBytes)];
        tensor.ExternalData.Clear();
        tensor.ClearDataLocation();
    }

    /// <summary>After the last tensor.</summary>
    /// <exception cref="OnnxException">Tensors claim overlapping parts of a file.</exception>
    public void CheckRanges() => _ranges.Check();

    private static byte[] Read(string path, string location, long offset, long count, string tensor)
    {
        try
        {
            using var file = RegularFile.Open(path);
            ExternalPath.CheckOpened(tensor, path, file);
            var size = RandomAccess.GetLength(file);
            if (offset > size || count > size - offset)
                throw new OnnxException(tensor, $"external data wants {count} bytes from byte {offset} of '{location}', which has {size}");
            var bytes = GC.AllocateUninitializedArray<byte>((int)count);
            for (var done = 0; done < bytes.Length;)
            {
                var read = RandomAccess.Read(file, bytes.AsSpan(done), offset + done);
                if (read == 0)
                    throw new OnnxException(tensor, "the external data file became shorter while it was read");
                done += read;
            }
            return bytes;
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(tensor, $"external data cannot be read: {e.Message}", e);
        }
    }

    private static (string Location, long Offset, long? Length) Entries(TensorProto tensor)
    {
        string? location = null;
        long offset = 0;
        long? length = null;
        var seen = new HashSet<string>(StringComparer.Ordinal);
        foreach (var entry in tensor.ExternalData)
        {
            if (!seen.Add(entry.Key))
                throw new OnnxException(tensor.Name, $"external data names '{entry.Key}' twice");
            switch (entry.Key)
            {
                case "location":
                    location = entry.Value;
                    break;
                case "offset":
                    offset = Number(tensor.Name, entry);
                    break;
                case "length":
                    length = Number(tensor.Name, entry);
                    break;
                case "checksum" or "basepath":
                    break;
                default:
                    throw new OnnxException(tensor.Name, $"external data has the unknown key '{entry.Key}'");
            }
        }
        return (location ?? throw new OnnxException(tensor.Name, "external data has no location"), offset, length);
    }

    private static long Number(string tensor, StringStringEntryProto entry) =>
        long.TryParse(entry.Value, NumberStyles.None, CultureInfo.InvariantCulture, out var value)
            ? value
            : throw new OnnxException(tensor, $"external data has {entry.Key} '{entry.Value}', which is not a whole number of at least 0");
}
