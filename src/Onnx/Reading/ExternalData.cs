using System.Globalization;
using Google.Protobuf;
using Microsoft.Win32.SafeHandles;
using Orchestrator.Onnx.Protobuf;

namespace Orchestrator.Onnx.Reading;

/// <summary>Tensors whose bytes lie in a file beside the model. Offset and length are checked against the shape and the open file before a byte is allocated.</summary>
internal sealed class ExternalData
{
    private readonly ExternalRanges _ranges = new();
    private readonly Dictionary<(string File, long Offset, long Length), ByteString> _found = [];
    private readonly Dictionary<string, ExternalFile> _files = new(StringComparer.Ordinal);
    private readonly Func<string, string, ExternalFile> _find;
    private long _inMemory;

    /// <summary>Bytes of all tensors so far.</summary>
    public long Bytes { get; private set; }

    /// <param name="folder">The model's folder; null refuses every tensor.</param>
    public ExternalData(string? folder) => _find = (tensor, location) => InFolder(folder, tensor, location);

    public ExternalData(Func<string, ExternalFile> find) => _find = (_, location) => find(location);

    /// <summary>Gives the tensor its bytes, and afterwards it is like any other: a small one's are read, a large one's stay in the file until they are looked at.</summary>
    public void Load(TensorProto tensor, long expectedBytes)
    {
        var (location, offset, length) = Entries(tensor);
        if (length is { } declared && declared != expectedBytes)
            throw new OnnxException(tensor.Name, $"external data declares {declared} bytes where the shape wants {expectedBytes}");
        var file = Find(tensor.Name, location);
        if (offset > file.Length || expectedBytes > file.Length - offset)
            throw new OnnxException(tensor.Name, $"external data wants {expectedBytes} bytes from byte {offset} of '{location}', which has {file.Length}");
        if (_ranges.Add(file.Name, offset, expectedBytes))
        {
            Bytes += expectedBytes;
            _found[(file.Name, offset, expectedBytes)] = Content(new MappedBytes(file.Open, offset, (int)expectedBytes, tensor.Name));
        }

        tensor.RawData = _found[(file.Name, offset, expectedBytes)];
        tensor.ExternalData.Clear();
        tensor.ClearDataLocation();
    }

    /// <summary>After the last tensor.</summary>
    /// <exception cref="OnnxException">Tensors claim overlapping parts of a file.</exception>
    public void CheckRanges() => _ranges.Check();

    private ByteString Content(MappedBytes bytes)
    {
        if (bytes.Length >= ExternalLayout.MinBytes)
            return UnsafeByteOperations.UnsafeWrap(bytes.Memory);
        _inMemory += bytes.Length;
        if (_inMemory > OnnxModel.MaxBytes)
            throw new OnnxException(bytes.Subject, $"the small tensors outside the model are larger than {OnnxModel.MaxBytes} bytes");
        var content = ByteString.Empty;
        bytes.Scan(piece => content = ByteString.CopyFrom(piece.Span));
        return content;
    }

    private ExternalFile Find(string tensor, string location)
    {
        if (!_files.TryGetValue(location, out var file))
            _files.Add(location, file = _find(tensor, location));
        return file;
    }

    /// <summary>A file below the model's folder, looked at when it is open and each time that it is opened.</summary>
    private static ExternalFile InFolder(string? folder, string tensor, string location)
    {
        var path = ExternalPath.Resolve(tensor, folder, location);
        try
        {
            using var file = Open();
            return new ExternalFile(path, RandomAccess.GetLength(file), Open);
        }
        catch (Exception e) when (e is IOException or UnauthorizedAccessException)
        {
            throw new OnnxException(tensor, $"external data cannot be read: {e.Message}", e);
        }

        SafeFileHandle Open()
        {
            var file = RegularFile.Open(path);
            try
            {
                ExternalPath.CheckOpened(tensor, path, file);
                return file;
            }
            catch
            {
                file.Dispose();
                throw;
            }
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
